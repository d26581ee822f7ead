"""Functions of torch that no spiking layer stands for, and what to use in their place."""

POOL = "AvgPool2d: a maximum of spike counts is no sum"
SHAPED = "ReLU: a spiking neuron has no other curve; its clip range is learned"
NORM = "BatchNorm2d or BatchNorm1d, which fold into weights"
CONV = "Conv2d: layers are dense or two-dimensional"
CHAIN = "one chain of layers, with residual additions"
SEQUENCE = "Linear and Conv2d layers: a layer sees one frame, and keeps nothing of the one before"

# Name of the function -> (the module that people know it by, what to use).
INSTEAD: dict[str, tuple[str, str]] = {
    "max_pool1d": ("MaxPool1d", POOL), "max_pool2d": ("MaxPool2d", POOL),
    "max_pool3d": ("MaxPool3d", POOL), "max_pool2d_with_indices": ("MaxPool2d", POOL),
    "adaptive_max_pool2d": ("AdaptiveMaxPool2d", POOL), "amax": ("amax", POOL),
    "max": ("max", POOL), "lp_pool2d": ("LPPool2d", "AvgPool2d"),
    "fractional_max_pool2d": ("FractionalMaxPool2d", POOL), "gelu": ("GELU", SHAPED),
    "silu": ("SiLU", SHAPED), "leaky_relu": ("LeakyReLU", SHAPED), "elu": ("ELU", SHAPED),
    "selu": ("SELU", SHAPED), "celu": ("CELU", SHAPED), "sigmoid": ("Sigmoid", SHAPED),
    "tanh": ("Tanh", SHAPED), "prelu": ("PReLU", SHAPED), "rrelu": ("RReLU", SHAPED),
    "softplus": ("Softplus", SHAPED), "mish": ("Mish", SHAPED), "hardswish": ("Hardswish", SHAPED),
    "hardsigmoid": ("Hardsigmoid", SHAPED), "logsigmoid": ("LogSigmoid", SHAPED),
    "softsign": ("Softsign", SHAPED), "tanhshrink": ("Tanhshrink", SHAPED),
    "softshrink": ("Softshrink", SHAPED), "hardshrink": ("Hardshrink", SHAPED),
    "glu": ("GLU", SHAPED), "abs": ("abs", SHAPED), "exp": ("exp", SHAPED),
    "square": ("square", SHAPED), "pow": ("pow", SHAPED), "sqrt": ("sqrt", SHAPED),
    "sin": ("sin", SHAPED), "log": ("log", SHAPED), "layer_norm": ("LayerNorm", NORM),
    "group_norm": ("GroupNorm", NORM), "instance_norm": ("InstanceNorm2d", NORM),
    "rms_norm": ("RMSNorm", NORM), "local_response_norm": ("LocalResponseNorm", NORM),
    "normalize": ("normalize", NORM), "conv1d": ("Conv1d", CONV), "conv3d": ("Conv3d", CONV),
    "conv_transpose2d": ("ConvTranspose2d", CONV), "conv_transpose1d": ("ConvTranspose1d", CONV),
    "avg_pool1d": ("AvgPool1d", "AvgPool2d, or Linear"), "avg_pool3d": ("AvgPool3d", "AvgPool2d"),
    "adaptive_avg_pool1d": ("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"),
    "interpolate": ("interpolate", "a data set of that size"),
    "grid_sample": ("grid_sample", "a data set that is sampled so"), "cat": ("cat", CHAIN),
    "concat": ("concat", CHAIN), "stack": ("stack", CHAIN), "hstack": ("hstack", CHAIN),
    "vstack": ("vstack", CHAIN), "where": ("where", "ReLU, if it stands for one"),
    "gt": ("a comparison", "ReLU, if it stands for one"),
    "ge": ("a comparison", "ReLU, if it stands for one"),
    "lt": ("a comparison", "ReLU, if it stands for one"), "bmm": ("bmm", CHAIN),
    "einsum": ("einsum", "Linear or Conv2d"), "bilinear": ("Bilinear", "Linear"),
    "cdist": ("cdist", "Linear"), "embedding": ("Embedding", "Linear on one-hot inputs"),
    "lstm": ("LSTM", SEQUENCE), "gru": ("GRU", SEQUENCE), "rnn_tanh": ("RNN", SEQUENCE),
    "rnn_relu": ("RNN", SEQUENCE), "lstm_cell": ("LSTMCell", SEQUENCE),
    "gru_cell": ("GRUCell", SEQUENCE),
    "multi_head_attention_forward": ("MultiheadAttention", CHAIN),
    "scaled_dot_product_attention": ("scaled_dot_product_attention", CHAIN),
    "rand_like": ("rand_like", "no random numbers"),
    "randn_like": ("randn_like", "no random numbers"),
    "bernoulli": ("bernoulli", "no random numbers"),
    "argmax": ("argmax", "the logits as they are: the accelerator takes the largest"),
    "topk": ("topk", "the logits as they are: the accelerator takes the largest"),
    "sort": ("sort", "the logits as they are"),
    "fake_quantize_per_tensor_affine": ("fake_quantize", "the float model; convert quantizes it"),
    "fake_quantize_per_channel_affine": ("fake_quantize", "the float model; convert quantizes it"),
}  # fmt: skip

# Functions that put elements in another order or shape, leave some out or repeat them.
REARRANGING = {
    "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "permute",
    "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "T", "mT", "H", "view_as",
    "reshape_as", "expand", "expand_as", "flip", "fliplr", "flipud", "narrow", "select",
    "__getitem__", "index_select", "ravel", "chunk", "split", "tensor_split", "unbind", "roll",
    "rot90", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "repeat", "tile",
    "repeat_interleave", "clone", "detach", "data", "requires_grad", "alias", "atleast_2d",
    "resolve_conj", "resolve_neg", "broadcast_to", "diagonal", "unfold", "as_strided", "positive",
}  # fmt: skip
CASTS = {"to", "float", "double", "half", "bfloat16", "type", "type_as", "cpu", "cuda"}
DROPOUTS = {
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "feature_dropout",
}  # fmt: skip
# behind the readout they leave the largest where it is
ANSWERS = {"softmax", "log_softmax", "sigmoid", "logsigmoid"}
SAME = {  # other spellings
    "__iadd__": "add", "__radd__": "add", "__isub__": "sub", "subtract": "sub", "__rsub__": "rsub",
    "__imul__": "mul", "__rmul__": "mul", "multiply": "mul", "__idiv__": "div",
    "__itruediv__": "div", "divide": "div", "true_divide": "div", "negative": "neg",
    "__matmul__": "matmul", "mm": "matmul", "clip": "clamp", "__neg__": "neg", "__add__": "add",
    "__sub__": "sub", "__mul__": "mul", "__truediv__": "div",
}  # fmt: skip
