"""Names that a graph from a file may use: operators of PyTorch and Python that only compute.

The list is kept by hand. It has no function that reads or writes files, loads libraries, compiles, unpickles, calls its
arguments, or accesses memory. Functions that do not check their arguments are left out: the indices of sparse tensors,
which can be changed without a check, and ``segment_reduce``. Names that the installed PyTorch lacks are ignored.
"""

from __future__ import annotations

_TORCH = (
    "_assert abs abs_ absolute acos acos_ acosh acosh_ adaptive_avg_pool1d adaptive_max_pool1d add addbmm addcdiv "
    "addcmul addmm addmv addmv_ addr adjoint affine_grid_generator all allclose alpha_dropout alpha_dropout_ amax "
    "amin aminmax angle any arange arccos arccos_ arccosh arccosh_ arcsin arcsin_ arcsinh arcsinh_ arctan arctan2 "
    "arctan_ arctanh arctanh_ argmax argmin argsort argwhere as_strided as_strided_scatter as_tensor asin asin_ asinh "
    "asinh_ atan atan2 atan_ atanh atanh_ atleast_1d atleast_2d atleast_3d avg_pool1d baddbmm bartlett_window "
    "batch_norm bernoulli bilinear binary_cross_entropy_with_logits bincount binomial bitwise_and bitwise_left_shift "
    "bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman_window block_diag bmm broadcast_tensors "
    "broadcast_to bucketize can_cast cartesian_prod cat cdist ceil ceil_ celu celu_ chain_matmul channel_shuffle "
    "cholesky cholesky_inverse cholesky_solve chunk clamp clamp_ clamp_max clamp_max_ clamp_min clamp_min_ clip clip_ "
    "clone column_stack combinations complex concat concatenate conj conj_physical conj_physical_ constant_pad_nd "
    "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution copysign corrcoef "
    "cos cos_ cosh cosh_ cosine_embedding_loss cosine_similarity count_nonzero cov cross ctc_loss cummax cummin "
    "cumprod cumsum cumulative_trapezoid deg2rad deg2rad_ det detach detach_ diag diag_embed diagflat diagonal "
    "diagonal_scatter diff digamma dist div divide dot dropout dropout_ dsmm dsplit dstack einsum embedding "
    "embedding_bag empty empty_like eq equal erf erf_ erfc erfc_ erfinv exp exp2 exp2_ exp_ expm1 expm1_ eye "
    "feature_alpha_dropout feature_alpha_dropout_ feature_dropout feature_dropout_ fill fill_ fix fix_ flatten flip "
    "fliplr flipud float_power floor floor_ floor_divide fmax fmin fmod frac frac_ frexp frobenius_norm full "
    "full_like gather gcd gcd_ ge geqrf ger gradient greater greater_equal grid_sampler grid_sampler_2d "
    "grid_sampler_3d group_norm gru_cell gt hamming_window hann_window hardshrink heaviside hinge_embedding_loss "
    "histc histogram hsmm hsplit hspmm hstack hypot i0 i0_ igamma igammac imag index_add index_copy index_fill "
    "index_put index_put_ index_reduce index_select inner instance_norm inverse is_complex is_conj is_floating_point "
    "is_inference is_neg is_nonzero is_same_size is_signed is_tensor isclose isfinite isin isinf isnan isneginf "
    "isposinf isreal istft kaiser_window kl_div kron kthvalue layer_norm lcm lcm_ ldexp ldexp_ le lerp less "
    "less_equal lgamma linspace log log10 log10_ log1p log1p_ log2 log2_ log_ log_softmax logaddexp logaddexp2 "
    "logcumsumexp logdet logical_and logical_not logical_or logical_xor logit logit_ logspace logsumexp lstm_cell lt "
    "lu lu_solve lu_unpack margin_ranking_loss masked_fill masked_scatter masked_select matmul matrix_exp "
    "matrix_power max max_pool1d max_pool1d_with_indices max_pool2d max_pool3d maximum mean median meshgrid min "
    "minimum mm mode moveaxis movedim msort mul multinomial multiply mv mvlgamma nan_to_num nan_to_num_ nanmean "
    "nanmedian nanquantile nansum narrow narrow_copy native_batch_norm native_channel_shuffle native_dropout "
    "native_group_norm native_layer_norm ne neg neg_ negative negative_ nextafter nonzero nonzero_static norm normal "
    "not_equal nuclear_norm numel ones ones_like orgqr ormqr outer pairwise_distance pca_lowrank pdist permute "
    "pinverse pixel_shuffle pixel_unshuffle poisson poisson_nll_loss polar polygamma positive pow prelu prod "
    "promote_types put qr quantile rad2deg rad2deg_ rand rand_like randint randint_like randn randn_like randperm "
    "range ravel real reciprocal reciprocal_ relu relu_ remainder renorm repeat_interleave reshape resolve_conj "
    "resolve_neg result_type rms_norm rnn_relu_cell rnn_tanh_cell roll rot90 round round_ row_stack rrelu rrelu_ "
    "rsqrt rsqrt_ rsub saddmm scalar_tensor scatter scatter_add scatter_reduce searchsorted select "
    "select_scatter selu selu_ sgn sigmoid sigmoid_ sign signbit sin sin_ sinc sinc_ sinh sinh_ slice_inverse "
    "slice_scatter slogdet smm softmax sort split split_with_sizes spmm sqrt sqrt_ square square_ squeeze sspaddmm "
    "stack std std_mean stft sub subtract sum svd svd_lowrank swapaxes swapdims sym_float sym_int sym_ite sym_max "
    "sym_min sym_not sym_sqrt sym_sum t take take_along_dim tan tan_ tanh tanh_ tensor tensor_split tensordot "
    "threshold threshold_ tile topk trace transpose trapezoid trapz triangular_solve tril tril_indices "
    "triplet_margin_loss triu triu_indices true_divide trunc trunc_ unbind unflatten unique unique_consecutive "
    "unravel_index unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze vander var var_mean vdot "
    "view_as_complex view_as_real vsplit vstack where xlogy xlogy_ zeros zeros_like"
)

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

_TENSOR_METHODS = (
    "abs abs_ absolute absolute_ acos acos_ acosh acosh_ add add_ addbmm addbmm_ addcdiv addcdiv_ addcmul addcmul_ "
    "addmm addmm_ addmv addmv_ addr addr_ adjoint all allclose amax amin aminmax angle any arccos arccos_ arccosh "
    "arccosh_ arcsin arcsin_ arcsinh arcsinh_ arctan arctan2 arctan2_ arctan_ arctanh arctanh_ argmax argmin argsort "
    "argwhere as_strided as_strided_scatter asin asin_ asinh asinh_ atan atan2 atan2_ atan_ atanh atanh_ baddbmm "
    "baddbmm_ bernoulli bernoulli_ bfloat16 bincount bitwise_and bitwise_and_ bitwise_left_shift bitwise_left_shift_ "
    "bitwise_not bitwise_not_ bitwise_or bitwise_or_ bitwise_right_shift bitwise_right_shift_ bitwise_xor "
    "bitwise_xor_ bmm bool broadcast_to byte cauchy_ cdouble ceil ceil_ cfloat chalf char cholesky "
    "cholesky_inverse cholesky_solve chunk clamp clamp_ clamp_max clamp_max_ clamp_min clamp_min_ clip clip_ clone "
    "coalesce conj conj_physical conj_physical_ contiguous copy_ copysign copysign_ corrcoef cos cos_ "
    "cosh cosh_ count_nonzero cov cpu cross cuda cummax cummin cumprod cumprod_ cumsum cumsum_ deg2rad "
    "deg2rad_ dense_dim dequantize det detach detach_ diag diag_embed diagflat diagonal diagonal_scatter diff digamma "
    "digamma_ dim dist div div_ divide divide_ dot double dsplit element_size eq eq_ equal erf erf_ erfc erfc_ erfinv "
    "erfinv_ exp exp2 exp2_ exp_ expand expand_as expm1 expm1_ exponential_ fill_ fill_diagonal_ fix fix_ flatten "
    "flip fliplr flipud float float_power float_power_ floor floor_ floor_divide floor_divide_ fmax fmin fmod fmod_ "
    "frac frac_ frexp gather gcd gcd_ ge ge_ geometric_ geqrf ger greater greater_ greater_equal greater_equal_ gt "
    "gt_ half hardshrink heaviside heaviside_ histc histogram hsplit hypot hypot_ i0 i0_ igamma igamma_ igammac "
    "igammac_ index index_add index_add_ index_copy index_copy_ index_fill index_fill_ index_put index_put_ "
    "index_reduce index_reduce_ index_select inner int inverse is_coalesced is_complex is_conj is_contiguous "
    "is_floating_point is_neg is_nonzero is_same_size is_signed isclose isfinite isinf isnan isneginf isposinf isreal "
    "istft item kron kthvalue lcm lcm_ ldexp ldexp_ le le_ lerp lerp_ less less_ less_equal less_equal_ lgamma "
    "lgamma_ log log10 log10_ log1p log1p_ log2 log2_ log_ log_normal_ log_softmax logaddexp logaddexp2 logcumsumexp "
    "logdet logical_and logical_and_ logical_not logical_not_ logical_or logical_or_ logical_xor logical_xor_ logit "
    "logit_ logsumexp long lt lt_ lu lu_solve masked_fill masked_fill_ masked_scatter masked_scatter_ masked_select "
    "matmul matrix_exp matrix_power max maximum mean median min minimum mm mode moveaxis movedim msort mul mul_ "
    "multinomial multiply multiply_ mv mvlgamma mvlgamma_ nan_to_num nan_to_num_ nanmean nanmedian nanquantile nansum "
    "narrow narrow_copy ndimension ne ne_ neg neg_ negative negative_ nelement new_empty new_empty_strided new_full "
    "new_ones new_tensor new_zeros nextafter nextafter_ nonzero nonzero_static norm normal_ not_equal not_equal_ "
    "numel orgqr ormqr outer permute pinverse polygamma polygamma_ positive pow pow_ prelu prod put put_ qr quantile "
    "rad2deg rad2deg_ random_ ravel reciprocal reciprocal_ relu relu_ remainder remainder_ renorm renorm_ repeat "
    "repeat_interleave requires_grad_ reshape reshape_as resolve_conj resolve_neg roll rot90 round round_ "
    "rsqrt rsqrt_ scatter scatter_ scatter_add scatter_add_ scatter_reduce scatter_reduce_ select select_scatter sgn "
    "sgn_ short sigmoid sigmoid_ sign sign_ signbit sin sin_ sinc sinc_ sinh sinh_ size slice_inverse slice_scatter "
    "slogdet smm softmax sort sparse_dim sparse_mask split split_with_sizes sqrt sqrt_ square square_ squeeze "
    "squeeze_ sspaddmm std stft stride sub sub_ subtract subtract_ sum sum_to_size svd swapaxes swapaxes_ swapdims "
    "swapdims_ t t_ take take_along_dim tan tan_ tanh tanh_ tensor_split tile to to_dense to_padded_tensor to_sparse "
    "to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr tolist topk trace transpose transpose_ "
    "triangular_solve tril tril_ triu triu_ true_divide true_divide_ trunc trunc_ type type_as unbind unflatten "
    "unfold uniform_ unique unique_consecutive unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze unsqueeze_ "
    "values var vdot view view_as vsplit where xlogy xlogy_ zero_"
)

_CONTAINER_METHODS = "copy count get index items keys values"

_ATTRIBUTES = (
    "H T data device dtype grad imag is_cpu is_cuda is_leaf is_meta is_mps is_nested is_quantized is_sparse itemsize "
    "layout mH mT nbytes ndim real requires_grad shape L LU P Q R S U V Vh bin_edges count eigenvalues eigenvectors "
    "exponent hist indices info inverse logabsdet mantissa max min pivots rank residuals result sign singular_values "
    "solution values"
)
"""Attributes of tensors, and the names in the tuples that PyTorch's functions return."""

FUNCTIONS: dict[str, frozenset[str]] = {
    "torch": frozenset(_TORCH.split()),
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
    [*_TENSOR_METHODS.split(), *_CONTAINER_METHODS.split(), *(f"__{name.strip('_')}__" for name in _OPERATOR.split())]
)
"""Names of methods, of tensors and of the containers that modules return."""

ATTRIBUTES: frozenset[str] = frozenset(_ATTRIBUTES.split())
"""Names that `getattr` may get."""
