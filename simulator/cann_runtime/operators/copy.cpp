// Copies between tensors of any strides, with conversion; concatenation.
#include "operators/elementwise.h"
#include "operators/move.h"

using namespace ascsim::cann;

namespace {

AclError copy(const Request& request, const aclTensor* from, aclTensor* to) {
  if (from == nullptr || to == nullptr || from->data_type != to->data_type) {
    return unary(request, from, to, [](auto x) { return x; });
  }
  if (const AclError error = check_broadcast(request, from, to)) return error;
  return plan(request, {{from}, {to}, {}, false},
              [from = *from, to = *to] { move_elements(from, to); });
}

// Where part `i` lies in the output.
std::vector<aclTensor> parts_of(const aclTensor& out, const std::vector<const aclTensor*>& tensors,
                                size_t axis) {
  std::vector<aclTensor> parts;
  aclTensor part = out;
  for (const aclTensor* tensor : tensors) {
    part.sizes[axis] = tensor->sizes[axis];
    parts.push_back(part);
    part.offset += tensor->sizes[axis] * out.strides[axis];
  }
  return parts;
}

}  // namespace

ACLNN(InplaceCopy, aclTensor* to, const aclTensor* from) { return copy(ACLNN_REQUEST, from, to); }

ACLNN(Cast, const aclTensor* from, int /*data_type: that of the output*/, aclTensor* out) {
  return copy(ACLNN_REQUEST, from, out);
}

ACLNN(Cat, const aclTensorList* list, int64_t dim, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (list == nullptr || out == nullptr) return refuse(request, "null pointers");
  const size_t axis = out->axis(dim);
  std::vector<const aclTensor*> tensors;
  std::vector<aclTensor> from;
  for (const aclTensor* tensor : list->tensors) {
    if (tensor->sizes == Sizes{0}) continue;  // torch lets an empty vector pass
    if (tensor->dims() != out->dims() || axis >= tensor->sizes.size()) {
      return refuse(request, "shape " + text_of(tensor->sizes) + " in dimension " +
                                 std::to_string(dim) + " of " + text_of(out->sizes));
    }
    if (tensor->data_type != out->data_type) return refuse(request, "inputs of different types");
    tensors.push_back(tensor);
    from.push_back(*tensor);
  }
  return plan(request, {tensors, {out}, {}, false}, [from, to = parts_of(*out, tensors, axis)] {
    for (size_t i = 0; i < from.size(); ++i) move_elements(from[i], to[i]);
  });
}
