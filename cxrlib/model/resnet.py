"""Residual networks for one-channel images of any size.

He et al., "Deep residual learning for image recognition", CVPR 2016, with the
pre-activation order of He et al., "Identity mappings in deep residual
networks", ECCV 2016. All layers belong to one model, without a model inside it.
So the gradient of the score with respect to any layer can be computed.
"""

from cxrlib.model.backend import keras, own_settings, tf

layers = keras.layers

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks in each of the four stages, by depth (He et al., CVPR 2016, table 1)."""

LAST_MAPS = "last_maps"
"""Name of the last layer whose output is maps, (H, W, C). The ends of the stages are "stage_1" to "stage_4"."""


@own_settings()
def build_resnet(
    *,
    depth: int = 18,
    width: int = 64,
    size: int | None = 256,
    skip: bool = True,
    standardize: bool = False,
    output_bias: float = 0.0,
    seed: int = 0,
    precision: str = "float32",
    fused: bool = False,
) -> keras.Model:
    """Build a pre-activation ResNet with one logit.

    Parameters
    ----------
    depth : {18, 34, 50}
        18 and 34 have basic blocks of two 3x3 convolutions; 50 has bottleneck blocks.
    width : int
        Channels of the first stage. Each of the next three stages has twice as
        many as the one before. The blocks of ResNet-50 output four times as many.
    size : int, optional
        Side of the images in pixels; None for any.
    skip : bool
        Add each block's input to its output. False builds the plain network that
        residual networks were compared with.
    standardize : bool
        Begin by subtracting each film's mean and dividing by its standard
        deviation. Films that differ in exposure alone then look the same.
    output_bias : float
        Initial bias of the logit: the log-odds of the finding before the network has
        learned anything.
    seed : int
        Seed of the initial weights, which are He normal, as in the papers.
    precision : {"float32", "bfloat16"}
        The format that the layers compute in. Weights and logit are always float32.
    fused : bool
        For training with TensorFlow: use its fused kernel for batch normalisation,
        which makes a step of a small network up to 1.6 times as fast. The weights
        fit the network without fused kernels, and that network should be saved.

    Returns
    -------
    keras.Model
        (N, size, size, 1) float32 in [0, 1] -> (N, 1) logit, float32.

    Raises
    ------
    ValueError
        The depth is not 18, 34 or 50.

    Examples
    --------
    >>> build_resnet(depth=18, width=16, size=64).count_params()
    702161
    """
    if depth not in BLOCKS:
        raise ValueError(f"depth is {depth}; it must be one of {', '.join(map(str, BLOCKS))}")
    seeds = iter(range(seed * 1000, (seed + 1) * 1000))  # one for each layer; no network has a thousand
    policy = "mixed_bfloat16" if precision == "bfloat16" else precision
    normalization = FusedBatchNormalization if fused else layers.BatchNormalization

    def conv(
        x: keras.KerasTensor, filters: int, kernel: int, stride: int = 1, name: str | None = None
    ) -> keras.KerasTensor:
        return layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
            dtype=policy,
            name=name,
        )(x)

    def activate(x: keras.KerasTensor, name: str | None = None) -> keras.KerasTensor:
        return layers.ReLU(dtype=policy, name=name)(normalization(momentum=0.9, epsilon=1e-5, dtype=policy)(x))

    def block(x: keras.KerasTensor, filters: int, stride: int, name: str | None = None) -> keras.KerasTensor:
        out = 4 * filters if depth == 50 else filters
        active = activate(x)
        if (
            skip
        ):  # made before the other layers, because each layer takes the next seed; must have the shape of the output
            shortcut = conv(active, out, 1, stride) if stride != 1 or x.shape[-1] != out else x
        last_name = None if skip else name
        if depth == 50:
            y = conv(active, filters, 1)
            y = conv(activate(y), filters, 3, stride)
            y = conv(activate(y), out, 1, name=last_name)
        else:
            y = conv(active, filters, 3, stride)
            y = conv(activate(y), filters, 3, name=last_name)
        return layers.Add(dtype=policy, name=name)([shortcut, y]) if skip else y

    image = layers.Input((size, size, 1), name="image")
    x = image
    if standardize:
        x = layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-6, center=False, scale=False)(x)
    x = conv(x, width, 7, 2, name="stem")
    x = layers.MaxPooling2D(3, 2, padding="same", dtype=policy)(x)
    for stage, count in enumerate(BLOCKS[depth]):
        for index in range(count):
            name = f"stage_{stage + 1}" if index == count - 1 else None
            x = block(x, width * 2**stage, 2 if stage > 0 and index == 0 else 1, name)
    x = layers.GlobalAveragePooling2D()(activate(x, name=LAST_MAPS))  # without `policy`, so in float32 from here on
    logit = layers.Dense(
        1,
        kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        bias_initializer=keras.initializers.Constant(output_bias),
        name="logit",
    )(x)
    return keras.Model(image, logit, name=f"resnet{depth}_width{width}")


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation, computed by TensorFlow's fused kernel in training.

    Keras 3 computes batch normalisation by elementwise operations, which run on any
    backend but are slower.
    """

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Normalise (N, H, W, C) by the batch in training, and by the moving averages otherwise."""
        if not training:
            return super().call(inputs, training=False)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        variance *= (count - 1) / count  # the kernel divides by count - 1, Keras by count
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1 - self.momentum))
        return outputs
