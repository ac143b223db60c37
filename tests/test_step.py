"""The train step: randomness follows from (seed, step), each network is trained against the other, traced once."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from conftest import eagerly

from config import LOSSES, TrainingConfig
from training.losses import GanLoss, gan_loss
from training.networks import Networks, build_networks
from training.step import Batch, TrainStep

SHAPE = (16, 16, 3)
IMAGES, OTHERS = np.random.default_rng(0).uniform(-1, 1, (2, 8, *SHAPE)).astype(np.float32)
BATCH = Batch(IMAGES, np.arange(8) % 3, OTHERS)
TENSORS = Batch(*map(tf.constant, BATCH))  # as a step that is not compiled wants them
AUGMENTED = ("color", "translation", "cutout")
FEW_LAYERS = {"preset": "tutorial"}
RECIPES = {  # one of the preset dcgan, which has dropout; those that take longest to compile have few layers
    "r1gan": {"preset": "r1gan", "penalty_interval": 2},
    "wasserstein, conditional": {"loss": "wasserstein", "gradient_penalty": 10.0, "conditional": True, **FEW_LAYERS},
    "relativistic, cosine": {"loss": "relativistic", "schedule": "cosine"},
    "spectral, augmented": {
        "loss": "hinge",
        "spectral_normalization": True,
        "augmentation": AUGMENTED,
        **FEW_LAYERS,
    },
    "lazy, r2": {"r1": 1.0, "r2": 1.0, "penalty_interval": 3, **FEW_LAYERS},
}
TRIED = {TrainingConfig.loss, *(recipe.get("loss") for recipe in RECIPES.values())}
RECIPES |= {name: {"loss": name} for name in LOSSES if name not in TRIED}


@pytest.fixture(autouse=True)
def what_is_compiled_stays(monkeypatch):
    """A seed for TensorFlow's own random numbers, from which nothing here draws, would throw away all its graphs."""
    monkeypatch.setattr(tf.random, "set_seed", lambda seed: None)


def config_of(preset: str = "dcgan", **choices) -> TrainingConfig:
    """Of few filters: compiling takes as long, computing does not."""
    return TrainingConfig.of(preset=preset, **{"filters": 8, **choices})


def build_anew(precision: str = "float32", **choices) -> tuple[Networks, TrainStep]:
    """Networks of three classes, and their step, not yet compiled."""
    config = config_of(precision=precision, **choices)
    networks = build_networks(config, SHAPE, "tanh", class_count=3)
    return networks, TrainStep(networks, config, total_steps=50)


@functools.cache
def built(copy: int, **choices) -> tuple[Networks, TrainStep, dict[str, np.ndarray]]:
    """What `build_anew` builds and its first state, kept for all tests, since compiling takes most of their time."""
    networks, step = build_anew(**choices)
    return networks, step, networks.state()


def build(copy: int = 0, **choices) -> tuple[Networks, TrainStep]:
    """The networks and the step of these choices as they were at first; another copy is for a test that needs two."""
    networks, step, state = built(copy, **choices)
    networks.restore(state)
    return networks, step


@pytest.mark.parametrize("choices", [{}, {"precision": "bfloat16"}], ids=["float32", "bfloat16"])
def test_same_seed_same_bits(choices):
    states = []
    for copy in range(2):  # networks built anew, and a step compiled anew
        networks, step = build(copy, **choices)
        for number in range(2):
            step(BATCH, number)
        states.append(networks.state())
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_another_seed_is_another_run():
    """It begins with other weights, and even with the same ones would draw other latents."""
    states = []
    for seed in range(2):
        networks, step = build_anew(seed=seed)
        states.append(networks.state())
        networks.restore(states[0])
        with eagerly():
            step(TENSORS, 0)
        states.append(networks.state())
    for first, second in (states[::2], states[1::2]):
        assert not np.array_equal(first["generator/0"], second["generator/0"])


def test_a_restored_state_goes_on_with_the_same_bits():
    networks, step = build()
    for number in range(2):
        step(BATCH, number)
    stored = networks.state()
    assert networks.state_bytes() == sum(values.nbytes for values in stored.values())
    fresh, fresh_step = build(copy=1)
    fresh_step(BATCH, 7)  # anything: the dropout generators must not remember it
    fresh.restore(stored)
    step(BATCH, 2)
    fresh_step(BATCH, 2)
    expected, found = networks.state(), fresh.state()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_dropout_and_latents_change_with_the_step():
    networks, step = build()
    stored = networks.state()
    first = float(step(BATCH, 0)["discriminator_loss"])
    networks.restore(stored)
    again = float(step(BATCH, 0)["discriminator_loss"])
    networks.restore(stored)
    other = float(step(BATCH, 1)["discriminator_loss"])
    assert first == again != other


def test_each_loss_moves_only_its_own_network(monkeypatch):
    nothing = lambda *logits: 0.0 * sum(map(tf.reduce_sum, logits))  # noqa: E731
    playing = gan_loss("non_saturating")

    def moved(loss: GanLoss) -> set[str]:
        networks, step = build()
        before = [networks.generator.get_weights()[0], networks.discriminator.get_weights()[0]]
        monkeypatch.setattr(step, "loss", loss)
        with eagerly():
            step(TENSORS, 0)
        after = [networks.generator.get_weights()[0], networks.discriminator.get_weights()[0]]
        names = ("generator", "discriminator")
        return {name for name, old, new in zip(names, before, after, strict=True) if not np.array_equal(old, new)}

    assert moved(GanLoss(playing.discriminator, nothing)) == {"discriminator"}
    assert moved(GanLoss(nothing, playing.generator)) == {"generator"}
    assert moved(playing) == {"generator", "discriminator"}


def test_step_runs_the_networks_in_training_mode():
    """Dropout draws in each of the three passes of the discriminator, and batch statistics move."""
    networks, step = build()
    layers = [layer for layer in networks.discriminator.layers if getattr(layer, "seed_generator", None) is not None]
    before = [variable.numpy().copy() for variable in networks.generator.non_trainable_variables]
    step(BATCH, 6)
    assert layers
    for number, layer in enumerate(layers):
        start = [2**31 + number, 6 * 8]
        assert layer.seed_generator.state.numpy().tolist() == [start[0], start[1] + 3]
    after = [variable.numpy() for variable in networks.generator.non_trainable_variables]
    assert all(not np.array_equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("recipe", [{}, *RECIPES.values()], ids=["dcgan", *RECIPES])
def test_step_is_traced_once(recipe):
    """Once for steps with penalties and once for steps without; a recipe uses both when its penalties are rarer."""
    _, step = build(**recipe)
    for number in range(7):
        step(BATCH, number)
    config = config_of(**recipe)
    penalties = config.r1 + config.r2 + config.gradient_penalty > 0
    expected = int(not penalties or config.penalty_interval > 1) + int(penalties)
    assert step.compiled_step.experimental_get_tracing_count() == expected
    assert step.compiled_steps.experimental_get_tracing_count() == 0


@pytest.mark.parametrize(
    "name", ["relativistic, cosine", "lazy, r2", pytest.param("spectral, augmented", marks=pytest.mark.slow)]
)
def test_steps_of_one_execution_are_those_taken_one_by_one(name):
    """Those to which the many steps of a call could do something: rates that change, rare penalties, vectors kept."""
    recipe = RECIPES[name]
    networks, step = build(**recipe)
    interval = config_of(**recipe).penalty_interval
    count = max(2, interval)
    batches = [BATCH._replace(images=np.roll(IMAGES, number, axis=0)) for number in range(2 * count + 1)]
    expected = [float(step(batch, number)["generator_loss"]) for number, batch in enumerate(batches)]
    one = networks.state()
    build(**recipe)  # as they were at first
    found = []
    for first in (0, count):
        found += [float(said["generator_loss"]) for said in step.execute(batches[first : first + count], first)]
    found.append(float(step(batches[-1], 2 * count)["generator_loss"]))  # the end of an epoch
    assert found == expected
    other = networks.state()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert step.compiled_steps.experimental_get_tracing_count() == 1


def test_weights_are_read_before_they_move():
    """In the graph that runs: its optimizer drops an order that seems to follow from others, then the others."""
    from tensorflow.python.eager import context  # no public way leads to that graph

    _, step = build_anew(**RECIPES["wasserstein, conditional"])
    context.enable_run_metadata()
    try:
        step(BATCH, 0)
        graphs = [function.post_optimization_graph for function in context.export_run_metadata().function_graphs]
    finally:
        context.disable_run_metadata()
    graph = max(graphs, key=lambda graph: len(graph.node))
    nodes = {node.name: node for node in graph.node}

    @functools.cache
    def before(name: str) -> frozenset[str]:
        inputs = [word.removeprefix("^").partition(":")[0] for word in nodes[name].input]
        known = [name for name in inputs if name in nodes]
        return frozenset(known).union(*map(before, known))

    moves = [node for node in graph.node if node.op == "AssignSubVariableOp"]
    reads = [node for node in graph.node if node.op == "ReadVariableOp"]
    used = {word.partition(":")[0] for node in graph.node for word in node.input}  # as data, not for an order alone
    networks = step.networks.generator, step.networks.discriminator
    assert len(moves) == sum(len(network.trainable_variables) for network in networks)
    for move in moves:
        of_this = [read.name for read in reads if read.input[0] == move.input[0] and read.name in used]
        earlier = [name for name in of_this if move.name not in before(name)]
        assert earlier and set(earlier) <= before(move.name), move.name


def test_an_execution_begins_where_a_penalty_is_due():
    _, step = build(**RECIPES["lazy, r2"])
    with pytest.raises(ValueError, match="multiple of 3, where penalties are due, got step 2"):
        step.execute([BATCH, BATCH], 2)


def losses_logits_and_state(xla: str, together: bool = False) -> tuple[list[dict], dict]:
    """The readings of three steps, taken one by one or in one call, and the state after them."""
    networks, step = build(preset="tutorial", r1=1.0, xla=xla)
    readings = step.execute([BATCH] * 3, 0) if together else [step(BATCH, number) for number in range(3)]
    return [{name: np.asarray(value) for name, value in entry.items()} for entry in readings], networks.state()


@pytest.mark.slow
def test_xla_takes_steps_that_can_be_repeated():
    """One by one or in one call. It draws other latents, so only what the first says of real images can be compared."""
    (without, _), (with_it, state) = (losses_logits_and_state(xla) for xla in ("off", "on"))
    again, same = losses_logits_and_state("on", together=True)
    np.testing.assert_allclose(with_it[0]["real_logits"], without[0]["real_logits"], rtol=1e-3, atol=1e-5)
    assert not np.array_equal(with_it[0]["generated_logits"], without[0]["generated_logits"]), "was it compiled at all?"
    for name in with_it[2]:
        np.testing.assert_array_equal(with_it[2][name], again[2][name])
    assert all(np.array_equal(state[name], same[name]) for name in state)


def test_every_image_is_augmented_by_numbers_of_its_own(monkeypatch):
    """Real and generated images, in either turn, and second real ones: a pass has no number of another's."""
    seen = []

    def draw(images, kinds, span, seed, replicas):
        seen.extend(tuple(part) for number in range(len(kinds)) for part in split(seed + tf.constant([0, number])))
        return images

    def split(seed: tf.Tensor) -> list:
        return tf.random.split(seed, 2).numpy().tolist()

    monkeypatch.setattr("training.step.augment", draw)
    _, step = build_anew(loss="relativistic", augmentation=AUGMENTED)
    with eagerly():
        step(TENSORS, 1)
    assert len(seen) == len(set(seen)) >= 4 * 3 * 2


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_goes_on_with_the_same_bits(recipe):
    networks, step = build(**recipe)
    for number in range(3):
        step(BATCH, number)
    stored = networks.state()
    fresh, fresh_step = build(copy=1, **recipe)
    fresh_step(BATCH, 9)
    fresh.restore(stored)
    for go_on in (step, fresh_step):
        results = [float(go_on(BATCH, number)["generator_loss"]) for number in (3, 4)]
        assert np.isfinite(results).all()
    expected, found = networks.state(), fresh.state()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert any(not np.array_equal(stored[name], found[name]) for name in found if name.startswith("generator/"))


def test_conditional_discriminator_hears_of_its_own_class_only():
    """Only the logits of classes in the batch have slopes, and another class of the same images is another loss."""
    networks, step = build(conditional=True, **FEW_LAYERS)
    before = networks.discriminator.get_weights()[-2].copy()
    step(Batch(IMAGES, np.zeros(8, np.int64)), 0)
    moved = (networks.discriminator.get_weights()[-2] != before).any(axis=0)
    assert moved.tolist() == [True, False, False]
    assert networks.generator.input_shape == (None, 103)


def discriminator_gradient(step_number: int = 0, preset: str = "r1gan", **choices) -> np.ndarray:
    """All of the discriminator's gradient in one step of fresh networks: a share of it is Adam's first moment then."""
    networks, step = build(preset=preset, beta_1=0.5, **choices)
    with eagerly():
        step(TENSORS, step_number)
    optimizer = networks.discriminator_optimizer
    moments = optimizer.variables[2::2]  # after the count of steps and the rate, moments of both kinds in turn
    assert [moment.shape for moment in moments] == [own.shape for own in networks.discriminator.trainable_variables]
    return np.concatenate([np.ravel(moment) for moment in moments]) / 0.5


def gradient_by_hand(penalty, preset: str = "r1gan") -> np.ndarray:
    """Of penalty(discriminator, real images, images generated in step 0) in the discriminator's weights."""
    networks, _ = build(preset=preset, r1=0.0)
    latents = tf.random.stateless_normal((8, 100), tf.constant([0, 0]))
    generated = networks.generator(latents, training=True)
    with tf.GradientTape() as tape:
        value = penalty(networks.discriminator, tf.constant(IMAGES), generated)
    weights = [variable.value for variable in networks.discriminator.trainable_variables]
    gradients = tape.gradient(value, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return np.concatenate([np.ravel(gradient) for gradient in gradients])


def squared_slopes(discriminator, images: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images)
    return tf.reduce_sum(tf.square(tape.gradient(logits, images)), axis=(1, 2, 3))


def assert_same_direction_and_length(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.linalg.norm(expected) > 0
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


HEAVY = 1e4  # so that a penalty stands out from the game, whose gradient is taken off in float32


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_penalty_is_half_the_squared_slope_at_its_own_images(name):
    game = discriminator_gradient(r1=0.0)
    found = discriminator_gradient(**{"r1": 0.0, "penalty_interval": 1} | {name: HEAVY}) - game
    by_hand = gradient_by_hand(
        lambda network, *both: 0.5 * HEAVY * tf.reduce_mean(squared_slopes(network, both[name == "r2"]))
    )
    assert_same_direction_and_length(found, by_hand)


def test_gradient_penalty_has_its_weight():
    """The discriminator of `tutorial` is linear, so its slope is the same at every point between the images."""
    game = discriminator_gradient(preset="tutorial")
    found = discriminator_gradient(preset="tutorial", gradient_penalty=HEAVY) - game
    by_hand = gradient_by_hand(
        lambda network, real, drawn: HEAVY * tf.reduce_mean((tf.sqrt(squared_slopes(network, real)) - 1.0) ** 2),
        preset="tutorial",
    )
    assert_same_direction_and_length(found, by_hand)


def test_penalty_of_every_third_step_weighs_three_times():
    game = discriminator_gradient(3, r1=0.0)
    often, rarely = (discriminator_gradient(3, r1=HEAVY, penalty_interval=n) - game for n in (1, 3))
    assert_same_direction_and_length(rarely, 3 * often)


def test_cosine_lets_the_penalty_fall_to_a_tenth():
    for step, share in ((0, 1.0), (25, 0.55), (50, 0.1)):
        game = discriminator_gradient(step, r1=0.0)
        whole = discriminator_gradient(step, r1=HEAVY, penalty_interval=1) - game
        found = discriminator_gradient(step, r1=HEAVY, penalty_interval=1, schedule="cosine") - game
        assert_same_direction_and_length(found, share * whole)


def test_cosine_lets_the_rate_fall_to_a_quarter():
    networks, step = build(**RECIPES["relativistic, cosine"])
    rates = []
    for number in (0, 25, 49):
        step(BATCH, number)
        rates.append(float(networks.generator_optimizer.learning_rate))
    assert rates[0] == pytest.approx(2e-4) and rates[1] == pytest.approx(1.25e-4) and 5e-5 < rates[2] < 5.1e-5
    with pytest.raises(ValueError, match="expected total_steps"):
        TrainStep(networks, TrainingConfig(schedule="cosine"))


def test_pairing_loss_asks_for_other_real_images():
    losses = []
    for batch in (BATCH, BATCH._replace(second_images=IMAGES)):
        _, step = build(**RECIPES["relativistic, cosine"])
        losses.append(float(step(batch, 0)["generator_loss"]))
    assert losses[0] != losses[1]


def test_discriminator_learns_to_tell_images_from_noise():
    _, step = build()
    losses = [float(step(BATCH, number)["discriminator_loss"]) for number in range(12)]
    assert losses[-1] < losses[0]


def test_averaged_generator_follows_with_its_half_life():
    """After step s it keeps 0.5 ** (1 / (share · s)) of the difference; at step 0 it is the live one."""
    networks, step = build(averaging=0.25, **FEW_LAYERS)
    averages = [networks.averaged_generator.trainable_variables[0].numpy().copy()]
    for number in range(9):
        step(BATCH, number)
        live = networks.generator.trainable_variables[0].numpy()
        keep = 0.0 if number == 0 else 0.5 ** (1 / (0.25 * number))
        averages.append(live + (averages[-1] - live) * np.float32(keep))
        found = networks.averaged_generator.trainable_variables[0].numpy()
        np.testing.assert_allclose(found, averages[-1], atol=1e-7)
    assert not np.array_equal(found, live)


@pytest.mark.parametrize(
    "labels",
    [[], [0, 0, 0, 1, 0, 0, 0, 0], pytest.param(range(10), marks=pytest.mark.slow)],
    ids=str,
)
def test_averaged_generator_is_given_batch_statistics_of_its_own(labels):
    """Its moving mean and variance are those of what its first normalization is given, not the live generator's."""
    labels, class_count = np.array(labels, np.int64), len(set(labels))
    if class_count:
        config = config_of(conditional=True, precision="float32")
        networks = build_networks(config, SHAPE, "tanh", class_count, labels=labels)
        step = TrainStep(networks, config)
    else:
        networks, step = build()
    for number in range(20):
        step(BATCH._replace(labels=np.arange(8) % max(1, class_count)), number)
    dense, normalization = networks.averaged_generator.layers[:2]
    kernel = dense.kernel.numpy()
    kernel[100:] *= 20.0  # classes that differ more than latents do
    dense.kernel.assign(kernel)
    weights = [variable.numpy().copy() for variable in networks.averaged_generator.trainable_variables]
    networks.update_batch_statistics()
    sampler = networks.averaged_generator
    assert all(np.array_equal(one, other) for one, other in zip(weights, sampler.trainable_variables, strict=True))
    assert not np.array_equal(weights[0][:100], networks.generator.trainable_variables[0].numpy()[:100])
    draws = np.random.default_rng(0)
    latents = draws.normal(size=(20_000, 100)).astype(np.float32)
    if class_count:
        classes = np.eye(class_count, dtype=np.float32)[draws.choice(labels, size=20_000)]
        latents = np.concatenate([latents, classes], axis=1)
    outputs = np.asarray(dense(latents))
    deviations = np.abs(normalization.moving_mean.numpy() - outputs.mean(axis=0)) / outputs.std(axis=0)
    assert deviations.max() < 0.2  # of 1,024 draws against 20,000, over thousands of units
    np.testing.assert_allclose(normalization.moving_variance.numpy(), outputs.var(axis=0), rtol=0.35)
    assert normalization.momentum == 0.9
    live = networks.generator.layers[1].moving_variance.numpy()
    assert np.abs(np.log(live / outputs.var(axis=0))).mean() > 0.1, "the live statistics would have done"


def test_batch_statistics_are_the_same_each_time():
    networks, step = build()
    for number in range(3):
        step(BATCH, number)
    states = []
    for _ in range(2):
        networks.update_batch_statistics()
        states.append(networks.averaged_generator.get_weights())
    assert all(np.array_equal(one, other) for one, other in zip(*states, strict=True))


def test_without_averaging_the_averaged_generator_has_the_live_weights():
    networks, step = build(averaging=0.0, **FEW_LAYERS)
    for number in range(3):
        step(BATCH, number)
    pairs = zip(networks.averaged_generator.trainable_variables, networks.generator.trainable_variables, strict=True)
    assert all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs)
