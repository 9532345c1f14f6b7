// A pretend GPU: a device of its own to PyTorch, whose memory is the CPU's and whose kernels are the CPU's.
//
// Its tensors cannot be read by NumPy or meet tensors on the CPU, as a GPU's cannot: code that mixes devices fails here too.
// It is PyTorch's PrivateUse1 backend ("out of tree backends" in its documentation), and it knows no streams and no
// generator. Every operation takes one way: tensors over the same memory are handed to the CPU's kernel, and what that
// makes is handed back.

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

namespace {

using at::Tensor;
using c10::Device;

constexpr auto PRETEND = c10::DeviceType::PrivateUse1;
const Device PLACE(PRETEND, 0);
const c10::Stream STREAM(c10::Stream::DEFAULT, PLACE);

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return PRETEND; }
  Device exchangeDevice(Device) const override { return PLACE; }
  Device getDevice() const override { return PLACE; }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  c10::Stream getStream(Device) const override { return STREAM; }
  c10::Stream getDefaultStream(Device) const override { return STREAM; }
  c10::Stream exchangeStream(c10::Stream) const override { return STREAM; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  void init() const override {}
};
Hooks hooks;
const bool hooked = (at::RegisterPrivateUse1HooksInterface(&hooks), true);

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    auto* held = new c10::DataPtr(c10::GetAllocator(c10::kCPU)->allocate(bytes));
    return {held->get(), held, &release, PLACE};
  }
  static void release(void* held) { delete static_cast<c10::DataPtr*>(held); }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};
Allocator allocator;
REGISTER_ALLOCATOR(PRETEND, &allocator);

// The same numbers in the same memory, as a tensor of the other kind; the storage that it came from is kept alive.
Tensor elsewhere(const Tensor& t, Device place) {
  if (!t.defined() || t.device().type() == place.type()) return t;
  auto* kept = new c10::Storage(t.storage());
  c10::DataPtr memory(kept->mutable_data(), kept, [](void* it) { delete static_cast<c10::Storage*>(it); }, place);
  c10::Allocator* home = place.is_cpu() ? c10::GetAllocator(c10::kCPU) : &allocator;
  c10::Storage storage(c10::Storage::use_byte_size_t(), kept->nbytes(), std::move(memory), home, /*resizable=*/true);
  const auto key = place.is_cpu() ? c10::DispatchKey::CPU : c10::DispatchKey::PrivateUse1;
  auto out = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), t.dtype());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
  out._set_conj(t.is_conj());
  out._set_neg(t.is_neg());
  return out;
}
Tensor on_cpu(const Tensor& t) { return elsewhere(t, Device(c10::kCPU)); }
Tensor on_gpu(const Tensor& t) { return elsewhere(t, PLACE); }

void put(const Tensor& into, const Tensor& from) {  // what an out= that was resized has become
  into.unsafeGetTensorImpl()->set_storage_keep_dtype(from.storage());
  into.unsafeGetTensorImpl()->set_sizes_and_strides(from.sizes(), from.strides(), from.storage_offset());
}

// A single number on the CPU may meet a GPU's tensors, and so may the places in x[places].
void refuse_a_mixture(const std::string& name, const Tensor& t, size_t argument) {
  const bool places = argument == 1 && (name.rfind("aten::index.", 0) == 0 || name.find("index_put") != std::string::npos);
  TORCH_CHECK(!t.defined() || !t.is_cpu() || t.dim() == 0 || places,
              "Expected all tensors to be on the same device; ", name, " was given some on the CPU and some on the GPU.");
}

void any(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const auto name = c10::toString(schema.operator_name());
  const auto& takes = schema.arguments();
  const std::vector<c10::IValue> given(stack->end() - takes.size(), stack->end());
  for (size_t i = 0; i < takes.size(); i++) {
    auto& value = *(stack->end() - takes.size() + i);
    const auto handed = [&](const Tensor& t) { return refuse_a_mixture(name, t, i), on_cpu(t); };
    if (value.isTensor()) {
      value = handed(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& t : value.toTensorVector()) list.push_back(handed(t));
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (std::optional<Tensor> t : value.toOptionalTensorList()) list.push_back(t ? std::optional(handed(*t)) : t);
      value = list;
    } else if (value.isDevice()) {
      value = Device(c10::kCPU);
    } else {
      TORCH_CHECK(!value.isGenerator(), "Expected a generator of the GPU; ", name, " was given one of the CPU.");
    }
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  const auto& makes = schema.returns();
  for (size_t r = 0; r < makes.size(); r++) {
    auto& value = *(stack->end() - makes.size() + r);
    const Tensor* written = nullptr;  // the argument that is returned, if one is
    for (size_t i = 0; i < takes.size(); i++) {
      const auto *out = makes[r].alias_info(), *in = takes[i].alias_info();
      if (out && in && out->isWrite() && *out == *in && given[i].isTensor()) written = &given[i].toTensor();
    }
    if (written && value.toTensor().storage().data() != written->storage().data()) put(*written, on_gpu(value.toTensor()));
    if (written) {
      value = *written;
    } else if (value.isTensor()) {
      value = on_gpu(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& t : value.toTensorVector()) list.push_back(on_gpu(t));
      value = list;
    }
  }
}

// What makes memory, names it, or copies between devices cannot take that way.
using Sizes = c10::SymIntArrayRef;
template <typename T> using Maybe = std::optional<T>;
constexpr c10::DispatchKeySet KEY(c10::DispatchKey::PrivateUse1);

c10::ScalarType type_of(Maybe<c10::ScalarType> asked) { return asked.value_or(c10::get_default_dtype_as_scalartype()); }
Tensor empty(c10::IntArrayRef size, Maybe<c10::ScalarType> type, Maybe<c10::Layout>, Maybe<Device>, Maybe<bool>,
             Maybe<c10::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator, KEY, type_of(type), format);
}
Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, Maybe<c10::ScalarType> type, Maybe<c10::Layout>,
                     Maybe<Device>, Maybe<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator, KEY, type_of(type));
}
Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  on_cpu(to).copy_(on_cpu(from));
  return to;
}
const Tensor& resize_(const Tensor& self, Sizes size, Maybe<c10::MemoryFormat> format) {
  put(self, on_gpu(on_cpu(self).clone().resize_(C10_AS_INTARRAYREF_SLOW(size), format)));
  return self;
}
Tensor view(const Tensor& x, Sizes size) { return at::native::view(x, C10_AS_INTARRAYREF_SLOW(size)); }
Tensor as_strided(const Tensor& x, Sizes size, Sizes stride, Maybe<c10::SymInt> offset) {
  const auto at = offset ? Maybe<int64_t>(offset->expect_int()) : std::nullopt;
  return at::native::as_strided_tensorimpl(x, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), at);
}
Tensor reshape_alias(const Tensor& x, Sizes size, Sizes stride) {
  return at::native::_reshape_alias(x, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

using Ints = c10::IntArrayRef;
void refuse_mixed_convolution(std::initializer_list<Tensor> tensors) {
  for (const Tensor& t : tensors) refuse_a_mixture("a convolution", t, 0);
}
Tensor convolution(const Tensor& x, const Tensor& weight, const Maybe<Tensor>& bias, Ints stride, Ints padding,
                   Ints dilation, bool transposed, Ints output_padding, int64_t groups) {
  const Tensor b = bias.value_or(Tensor());
  refuse_mixed_convolution({x, weight, b});
  const auto [i, w, c] = std::tuple(on_cpu(x), on_cpu(weight), on_cpu(b));
  return on_gpu(at::convolution(i, w, c, stride, padding, dilation, transposed, output_padding, groups));
}
std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& grad, const Tensor& x, const Tensor& weight, Ints stride, Ints padding, Ints dilation, bool transposed,
    Ints output_padding, int64_t groups, std::array<bool, 3> asked) {
  refuse_mixed_convolution({grad, x, weight});
  const std::vector<int64_t> bias{transposed ? weight.size(1) * groups : weight.size(0)};
  const auto [dx, dw, db] = at::convolution_backward(on_cpu(grad), on_cpu(x), on_cpu(weight), bias, stride, padding, dilation,
                                                     transposed, output_padding, groups, asked);
  return {on_gpu(dx), on_gpu(dw), on_gpu(db)};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("_copy_from", copy_from);
  library.impl("resize_", resize_);
  library.impl("view", view);
  library.impl("as_strided", as_strided);
  library.impl("_reshape_alias", reshape_alias);
  library.impl("unfold", at::native::unfold);
  library.impl("convolution_overrideable", convolution);
  library.impl("convolution_backward_overrideable", convolution_backward);
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&any>()); }

}  // namespace
