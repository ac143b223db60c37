"""The recipes of two well-known tutorials, reimplemented from their published settings, as steps that can be timed.

Each builder returns (generator, step): the Keras network to sample from, and a function of scaled real images, float32
(batch, height, width, channels) in [-1, 1].
"""

import keras
import tensorflow as tf
from keras import layers

LATENT_DIM = 100


def tensorflow_tutorial(image_shape: tuple[int, int, int], seed: int):
    """TensorFlow's tutorial "Deep Convolutional Generative Adversarial Network".

    Batch 256, Adam with rate 0.0001 and Keras's other defaults, dropout 0.3, float32; both networks are updated from
    one forward pass. The tutorial generates 28×28 from 7×7; here 32×32 from 8×8.
    """
    keras.utils.set_random_seed(seed)
    height, width, channels = image_shape

    def transposed(filters: int, strides: int, **more) -> layers.Layer:
        return layers.Conv2DTranspose(filters, (5, 5), strides=strides, padding="same", use_bias=False, **more)

    generator = keras.Sequential(
        [
            keras.Input((LATENT_DIM,)),
            layers.Dense(height // 4 * (width // 4) * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((height // 4, width // 4, 256)),
            transposed(128, 1),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            transposed(64, 2),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            transposed(channels, 2, activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(64, (5, 5), strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Conv2D(128, (5, 5), strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    generator_optimizer, discriminator_optimizer = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)

    @tf.function
    def step(images: tf.Tensor) -> tf.Tensor:
        latents = tf.random.normal((tf.shape(images)[0], LATENT_DIM))
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            generated = generator(latents, training=True)
            real_logits = discriminator(images, training=True)
            generated_logits = discriminator(generated, training=True)
            generator_loss = cross_entropy(tf.ones_like(generated_logits), generated_logits)
            discriminator_loss = cross_entropy(tf.ones_like(real_logits), real_logits)
            discriminator_loss += cross_entropy(tf.zeros_like(generated_logits), generated_logits)
        for tape, loss, network, optimizer in (
            (generator_tape, generator_loss, generator, generator_optimizer),
            (discriminator_tape, discriminator_loss, discriminator, discriminator_optimizer),
        ):
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return generator_loss

    return generator, step


def pytorch_example(image_shape: tuple[int, int, int], seed: int):
    """PyTorch's example "dcgan" (pytorch/examples), with one doubling less, for 32×32 images instead of its 64×64.

    64 filters next to the image, 4×4 kernels, batch normalization in both networks, weights from N(0, 0.02), batch 64,
    Adam with rate 0.0002 and beta1 0.5, float32; the discriminator is updated first, with real and generated images in
    separate batches.
    """
    keras.utils.set_random_seed(seed)
    height, _, channels = image_shape
    doublings = (height // 4).bit_length() - 1

    def weights() -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(stddev=0.02)

    def normalization() -> layers.Layer:
        gammas = keras.initializers.RandomNormal(mean=1.0, stddev=0.02)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gammas)

    def convolution(kind: type[layers.Layer], filters: int, **how) -> layers.Layer:
        return kind(filters, 4, use_bias=False, kernel_initializer=weights(), **{"padding": "same", "strides": 2} | how)

    generator = keras.Sequential([keras.Input((LATENT_DIM,)), layers.Reshape((1, 1, LATENT_DIM))])
    generator.add(convolution(layers.Conv2DTranspose, 64 << (doublings - 1), strides=1, padding="valid"))
    for level in reversed(range(doublings - 1)):
        generator.add(normalization())
        generator.add(layers.ReLU())
        generator.add(convolution(layers.Conv2DTranspose, 64 << level))
    generator.add(normalization())
    generator.add(layers.ReLU())
    generator.add(convolution(layers.Conv2DTranspose, channels))
    generator.add(layers.Activation("tanh"))

    discriminator = keras.Sequential([keras.Input(image_shape)])
    for level in range(doublings):
        discriminator.add(convolution(layers.Conv2D, 64 << level))
        if level:
            discriminator.add(normalization())
        discriminator.add(layers.LeakyReLU(0.2))
    discriminator.add(convolution(layers.Conv2D, 1, strides=1, padding="valid"))
    discriminator.add(layers.Flatten())

    generator_optimizer, discriminator_optimizer = (keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2))

    @tf.function
    def step(images: tf.Tensor) -> tf.Tensor:
        latents = tf.random.normal((tf.shape(images)[0], LATENT_DIM))
        with tf.GradientTape(watch_accessed_variables=False) as generator_tape:
            generator_tape.watch([variable.value for variable in generator.trainable_variables])
            generated = generator(latents, training=True)
            with tf.GradientTape() as tape:
                real_logits = discriminator(images, training=True)
                generated_logits = discriminator(tf.stop_gradient(generated), training=True)
                loss = tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(generated_logits))
            gradients = tape.gradient(loss, discriminator.trainable_variables)
            discriminator_optimizer.apply(gradients, discriminator.trainable_variables)
            generator_loss = tf.reduce_mean(tf.nn.softplus(-discriminator(generated, training=True)))
        gradients = generator_tape.gradient(generator_loss, generator.trainable_variables)
        generator_optimizer.apply(gradients, generator.trainable_variables)
        return generator_loss

    generator_optimizer.build(generator.trainable_variables)
    discriminator_optimizer.build(discriminator.trainable_variables)
    return generator, step


PEERS = {"tensorflow-tutorial": (tensorflow_tutorial, 256), "pytorch-example": (pytorch_example, 64)}  # batch sizes
