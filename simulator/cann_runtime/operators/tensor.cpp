#include "operators/tensor.h"

#include <algorithm>
#include <cstring>

#include "acl/acl.h"
#include "operators/numbers.h"

using namespace ascsim::cann;

int64_t aclTensor::count() const {
  int64_t product = 1;
  for (const int64_t size : sizes) product *= size;
  return product;
}

char* aclTensor::first() const { return data + offset * static_cast<int64_t>(bytes_of(data_type)); }

size_t aclTensor::axis(int64_t dim) const {
  return static_cast<size_t>(dim < 0 ? dim + dims() : dim);
}

namespace ascsim::cann {

double real_value(const aclScalar* scalar) {
  if (scalar == nullptr) return 1;
  const Codec* codec = codec_of(scalar->data_type);
  return codec == nullptr ? 0 : codec->load_real(scalar->value.data());
}

int64_t int_value(const aclScalar* scalar) {
  if (scalar == nullptr) return 1;
  const Codec* codec = codec_of(scalar->data_type);
  return codec == nullptr ? 0 : codec->load_int(scalar->value.data());
}

bool is_integral(int data_type) {
  const Codec* codec = codec_of(data_type);
  return codec != nullptr && codec->integral;
}

}  // namespace ascsim::cann

namespace {

template <typename Array, typename Value>
Array* make_array(const Value* values, uint64_t count) {
  auto* array = new Array;
  array->values.assign(values, values + count);
  return array;
}

template <typename Object>
AclError destroy(const Object* object) {
  delete object;
  return kSuccess;
}

}  // namespace

// Format and storage shape mean nothing here: memory is always what sizes and strides say.
ACL_ENTRY aclTensor* aclCreateTensor(const int64_t* sizes, uint64_t dims, int data_type,
                                     const int64_t* strides, int64_t offset, int /*format*/,
                                     const int64_t* /*storage*/, uint64_t /*storage_dims*/,
                                     void* data) {
  auto* tensor = new aclTensor;
  tensor->sizes.assign(sizes, sizes + dims);
  tensor->strides.assign(strides, strides + dims);
  tensor->offset = offset;
  tensor->data_type = data_type;
  tensor->data = static_cast<char*>(data);
  return tensor;
}
ACL_ENTRY int aclDestroyTensor(const aclTensor* tensor) { return destroy(tensor); }

ACL_ENTRY aclScalar* aclCreateScalar(const void* value, int data_type) {
  auto* scalar = new aclScalar;
  scalar->data_type = data_type;
  std::memcpy(scalar->value.data(), value, bytes_of(data_type));
  return scalar;
}
ACL_ENTRY int aclDestroyScalar(const aclScalar* scalar) { return destroy(scalar); }

ACL_ENTRY aclIntArray* aclCreateIntArray(const int64_t* values, uint64_t count) {
  return make_array<aclIntArray>(values, count);
}
ACL_ENTRY int aclDestroyIntArray(const aclIntArray* array) { return destroy(array); }

ACL_ENTRY aclFloatArray* aclCreateFloatArray(const float* values, uint64_t count) {
  return make_array<aclFloatArray>(values, count);
}
ACL_ENTRY int aclDestroyFloatArray(const aclFloatArray* array) { return destroy(array); }

ACL_ENTRY aclBoolArray* aclCreateBoolArray(const bool* values, uint64_t count) {
  return make_array<aclBoolArray>(values, count);
}
ACL_ENTRY int aclDestroyBoolArray(const aclBoolArray* array) { return destroy(array); }

ACL_ENTRY aclTensorList* aclCreateTensorList(const aclTensor* const* tensors, uint64_t count) {
  auto* list = new aclTensorList;
  list->tensors.assign(tensors, tensors + count);
  return list;
}
// The list owns its tensors.
ACL_ENTRY int aclDestroyTensorList(const aclTensorList* list) {
  if (list != nullptr) {
    for (const aclTensor* tensor : list->tensors) delete tensor;
  }
  return destroy(list);
}

ACL_ENTRY aclScalarList* aclCreateScalarList(const aclScalar* const* scalars, uint64_t count) {
  auto* list = new aclScalarList;
  list->scalars.assign(scalars, scalars + count);
  return list;
}
ACL_ENTRY int aclDestroyScalarList(const aclScalarList* list) {
  if (list != nullptr) {
    for (const aclScalar* scalar : list->scalars) delete scalar;
  }
  return destroy(list);
}

// The caller deletes the sizes, an array.
ACL_ENTRY int aclGetViewShape(const aclTensor* tensor, int64_t** sizes, uint64_t* dims) {
  if (tensor == nullptr || sizes == nullptr || dims == nullptr) {
    return null_argument("aclGetViewShape");
  }
  *dims = tensor->sizes.size();
  *sizes = new int64_t[tensor->sizes.size() + 1];
  std::copy(tensor->sizes.begin(), tensor->sizes.end(), *sizes);
  return kSuccess;
}
