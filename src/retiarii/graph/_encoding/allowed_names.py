"""Names that a graph from a file may use: operators of PyTorch and Python that only compute.

The list is kept by hand. It has no function that reads or writes files, loads libraries, compiles, unpickles, calls its
arguments, or accesses memory. Functions that do not check their arguments are left out: the indices of sparse tensors,
which can be changed without a check, and ``segment_reduce``. Names that the installed PyTorch lacks are ignored.
"""

from __future__ import annotations

_BOTH_IN_PLACE = (
    "abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil clamp clamp_max "
    "clamp_min clip conj_physical cos cosh deg2rad detach erf erfc exp exp2 expm1 fix floor frac gcd i0 index_put lcm "
    "ldexp log log10 log1p log2 logit nan_to_num neg negative rad2deg reciprocal relu round rsqrt sigmoid sin sinc "
    "sinh sqrt square tan tanh trunc xlogy"
)
"""Functions of ``torch`` and methods of tensors, both of which exist with a ``_`` at the end too."""

_METHOD_IN_PLACE = (
    "absolute add addbmm addcdiv addcmul addmm addr arctan2 atan2 baddbmm bernoulli bitwise_and bitwise_left_shift "
    "bitwise_not bitwise_or bitwise_right_shift bitwise_xor copysign cumprod cumsum digamma div divide eq erfinv "
    "float_power floor_divide fmod ge greater greater_equal gt heaviside hypot igamma igammac index_add index_copy "
    "index_fill index_reduce le lerp less less_equal lgamma logical_and logical_not logical_or logical_xor lt "
    "masked_fill masked_scatter mul multiply mvlgamma ne nextafter not_equal polygamma pow put remainder renorm "
    "scatter scatter_add scatter_reduce sgn sign squeeze sub subtract swapaxes swapdims t transpose tril triu "
    "true_divide unsqueeze"
)
"""Functions and methods, of which only the method exists with a ``_`` at the end too."""

_NEVER_IN_PLACE = (
    "adjoint all allclose amax amin aminmax angle any argmax argmin argsort argwhere as_strided as_strided_scatter "
    "bincount bmm broadcast_to cholesky cholesky_inverse cholesky_solve chunk clone conj corrcoef count_nonzero cov "
    "cross cummax cummin det diag diag_embed diagflat diagonal diagonal_scatter diff dist dot dsplit equal flatten "
    "flip fliplr flipud fmax fmin frexp gather geqrf ger hardshrink histc histogram hsplit index_select inner inverse "
    "is_complex is_conj is_floating_point is_neg is_nonzero is_same_size is_signed isclose isfinite isinf isnan "
    "isneginf isposinf isreal istft kron kthvalue log_softmax logaddexp logaddexp2 logcumsumexp logdet logsumexp lu "
    "lu_solve masked_select matmul matrix_exp matrix_power max maximum mean median min minimum mm mode moveaxis "
    "movedim msort multinomial mv nanmean nanmedian nanquantile nansum narrow narrow_copy nonzero nonzero_static norm "
    "numel orgqr ormqr outer permute pinverse positive prelu prod qr quantile ravel repeat_interleave reshape "
    "resolve_conj resolve_neg roll rot90 select select_scatter signbit slice_inverse slice_scatter slogdet smm softmax "
    "sort split split_with_sizes sspaddmm std stft sum svd take take_along_dim tensor_split tile topk trace "
    "triangular_solve unbind unflatten unique unique_consecutive unsafe_chunk unsafe_split unsafe_split_with_sizes var "
    "vdot vsplit where"
)
"""Functions and methods that have no form with a ``_`` at the end."""

_TORCH_ONLY = (
    "_assert adaptive_avg_pool1d adaptive_max_pool1d affine_grid_generator alpha_dropout alpha_dropout_ arange "
    "as_tensor atleast_1d atleast_2d atleast_3d avg_pool1d bartlett_window batch_norm bilinear "
    "binary_cross_entropy_with_logits binomial blackman_window block_diag broadcast_tensors bucketize can_cast "
    "cartesian_prod cat cdist celu celu_ chain_matmul channel_shuffle column_stack combinations complex concat "
    "concatenate constant_pad_nd conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d "
    "convolution cosine_embedding_loss cosine_similarity ctc_loss cumulative_trapezoid dropout dropout_ dsmm dstack "
    "einsum embedding embedding_bag empty empty_like eye feature_alpha_dropout feature_alpha_dropout_ feature_dropout "
    "feature_dropout_ fill fill_ frobenius_norm full full_like gradient grid_sampler grid_sampler_2d grid_sampler_3d "
    "group_norm gru_cell hamming_window hann_window hinge_embedding_loss hsmm hspmm hstack imag instance_norm "
    "is_inference is_tensor isin kaiser_window kl_div layer_norm linspace logspace lstm_cell lu_unpack "
    "margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d max_pool3d meshgrid native_batch_norm "
    "native_channel_shuffle native_dropout native_group_norm native_layer_norm normal nuclear_norm ones ones_like "
    "pairwise_distance pca_lowrank pdist pixel_shuffle pixel_unshuffle poisson poisson_nll_loss polar promote_types "
    "rand rand_like randint randint_like randn randn_like randperm range real result_type rms_norm rnn_relu_cell "
    "rnn_tanh_cell row_stack rrelu rrelu_ rsub saddmm scalar_tensor searchsorted selu selu_ spmm stack std_mean "
    "svd_lowrank sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum tensor tensordot threshold "
    "threshold_ trapezoid trapz tril_indices triplet_margin_loss triu_indices unravel_index vander var_mean "
    "view_as_complex view_as_real vstack zeros zeros_like"
)
"""Functions of ``torch`` only."""

_FUNCTIONAL = (
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool1d_with_indices "
    "adaptive_max_pool2d adaptive_max_pool2d_with_indices adaptive_max_pool3d adaptive_max_pool3d_with_indices "
    "affine_grid alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear binary_cross_entropy "
    "binary_cross_entropy_with_logits celu celu_ channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d "
    "conv_transpose2d conv_transpose3d cosine_embedding_loss cosine_similarity cross_entropy ctc_loss dropout "
    "dropout1d dropout2d dropout3d elu elu_ embedding embedding_bag feature_alpha_dropout fold fractional_max_pool2d "
    "fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices gaussian_nll_loss "
    "gelu glu grid_sample group_norm gumbel_softmax hardshrink hardsigmoid hardswish hardtanh hardtanh_ "
    "hinge_embedding_loss huber_loss instance_norm interpolate kl_div l1_loss layer_norm leaky_relu leaky_relu_ "
    "linear linear_cross_entropy local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d "
    "margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d "
    "max_pool3d_with_indices max_unpool1d max_unpool2d max_unpool3d mish mse_loss multi_head_attention_forward "
    "multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss native_channel_shuffle nll_loss normalize "
    "one_hot pad pairwise_distance pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu relu6 relu_ "
    "rms_norm rrelu rrelu_ scaled_dot_product_attention selu selu_ sigmoid silu smooth_l1_loss soft_margin_loss "
    "softmax softmin softplus softshrink softsign tanh tanhshrink threshold threshold_ triplet_margin_loss "
    "unfold upsample upsample_bilinear upsample_nearest"
)

_LINALG = (
    "cholesky cholesky_ex cond cross det diagonal eig eigh eigvals eigvalsh householder_product inv inv_ex ldl_factor "
    "ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex lu_solve matmul matrix_exp matrix_norm matrix_power "
    "matrix_rank multi_dot norm pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve "
    "vander vecdot vector_norm"
)

_FFT = (
    "fft fft2 fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft irfft2 irfftn rfft "
    "rfft2 rfftn"
)

_SPECIAL = (
    "airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u "
    "chebyshev_polynomial_v chebyshev_polynomial_w digamma entr erf erfc erfcx erfinv exp2 expit expm1 gammainc "
    "gammaincc gammaln hermite_polynomial_h hermite_polynomial_he i0 i0e i1 i1e laguerre_polynomial_l "
    "legendre_polynomial_p log1p log_ndtr log_softmax logit logsumexp modified_bessel_i0 modified_bessel_i1 "
    "modified_bessel_k0 modified_bessel_k1 multigammaln ndtr ndtri polygamma psi round scaled_modified_bessel_k0 "
    "scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u "
    "shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w sinc softmax spherical_bessel_j0 xlog1py xlogy "
    "zeta"
)

_OPERATOR = (
    "abs add and_ concat contains countOf eq floordiv ge getitem gt iadd iand iconcat ifloordiv ilshift imatmul imod "
    "imul index indexOf inv invert ior ipow irshift is_ is_not isub itruediv ixor le lshift lt matmul mod mul ne neg "
    "not_ or_ pos pow rshift setitem sub truediv truth xor"
)

_MATH = (
    "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist erf erfc exp exp2 expm1 "
    "fabs factorial floor fmod frexp fsum gamma gcd hypot isclose isfinite isinf isnan isqrt lcm ldexp lgamma log "
    "log10 log1p log2 modf nextafter perm pow prod radians remainder sin sinh sqrt tan tanh trunc ulp"
)

_BUILTINS = "abs bool divmod float getattr int len list max min pow round slice sum tuple"

_METHODS_ONLY = (
    "bfloat16 bool byte cauchy_ cdouble cfloat chalf char coalesce contiguous copy_ cpu cuda dense_dim dequantize dim "
    "double element_size expand expand_as exponential_ fill_ fill_diagonal_ float geometric_ half index int "
    "is_coalesced is_contiguous item log_normal_ long ndimension nelement new_empty new_empty_strided new_full "
    "new_ones new_tensor new_zeros normal_ random_ repeat requires_grad_ reshape_as short size sparse_dim sparse_mask "
    "stride sum_to_size to to_dense to_padded_tensor to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc "
    "to_sparse_csr tolist type type_as unfold uniform_ values view view_as zero_"
)
"""Methods of tensors only."""

_CONTAINER_METHODS = "copy count get index items keys values"

_ATTRIBUTES = (
    "H T data device dtype grad imag is_cpu is_cuda is_leaf is_meta is_mps is_nested is_quantized is_sparse itemsize "
    "layout mH mT nbytes ndim real requires_grad shape L LU P Q R S U V Vh bin_edges count eigenvalues eigenvectors "
    "exponent hist indices info inverse logabsdet mantissa max min pivots rank residuals result sign singular_values "
    "solution values"
)
"""Attributes of tensors, and the names in the tuples that PyTorch's functions return."""


def _and_in_place(names: str) -> set[str]:
    return {form for name in names.split() for form in (name, f"{name}_")}


_BOTH = {*_and_in_place(_BOTH_IN_PLACE), *_METHOD_IN_PLACE.split(), *_NEVER_IN_PLACE.split()}

FUNCTIONS: dict[str, frozenset[str]] = {
    "torch": frozenset(_BOTH | {*_TORCH_ONLY.split()}),
    "torch.nn.functional": frozenset(_FUNCTIONAL.split()),
    "torch.linalg": frozenset(_LINALG.split()),
    "torch.fft": frozenset(_FFT.split()),
    "torch.special": frozenset(_SPECIAL.split()),
    "operator": frozenset(_OPERATOR.split()),
    "math": frozenset(_MATH.split()),
    "builtins": frozenset(_BUILTINS.split()),
}
"""Module to the names of its functions."""

METHODS: frozenset[str] = frozenset(
    [
        *_BOTH,
        *_and_in_place(_METHOD_IN_PLACE),
        *_METHODS_ONLY.split(),
        *_CONTAINER_METHODS.split(),
        *(f"__{name.strip('_')}__" for name in _OPERATOR.split()),
    ]
)
"""Names of methods, of tensors and of the containers that modules return."""

ATTRIBUTES: frozenset[str] = frozenset(_ATTRIBUTES.split())
"""Names that `getattr` may get."""
