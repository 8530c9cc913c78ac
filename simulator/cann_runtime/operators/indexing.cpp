// Selection by indices (int32 or int64) and by masks (bool); elements of any type are moved as
// bytes. An index out of range is an error of the task.
#include <algorithm>
#include <stdexcept>

#include "operators/elementwise.h"
#include "operators/move.h"

using namespace ascsim::cann;

namespace {

bool is_index(const aclTensor* x) {
  return x != nullptr && (x->data_type == kInt64 || x->data_type == kInt32);
}

int64_t checked(int64_t index, int64_t size) {
  const int64_t found = index < 0 ? index + size : index;
  if (found >= 0 && found < size) return found;
  throw std::out_of_range("index " + std::to_string(index) + " of a dimension of size " +
                          std::to_string(size));
}

std::vector<int64_t> broadcast_indices(const aclTensor& x, const Sizes& space) {
  std::vector<int64_t> values;
  const Codec& from = *codec_of(x.data_type);
  walk<1>(space, {cursor_over(x, space)},
          [&](const auto& at) { values.push_back(from.load_int(at[0])); });
  return values;
}

// Dimensions from `begin` to before `end`, at the place of the first element.
aclTensor dimensions(const aclTensor& x, size_t begin, size_t end) {
  aclTensor part = x;
  const auto cut = [&](Sizes& all) {
    all = Sizes(all.begin() + static_cast<ptrdiff_t>(begin),
                all.begin() + static_cast<ptrdiff_t>(end));
  };
  cut(part.sizes);
  cut(part.strides);
  return part;
}

aclTensor with_first(aclTensor x, size_t axis) {
  std::rotate(x.sizes.begin(), x.sizes.begin() + static_cast<ptrdiff_t>(axis),
              x.sizes.begin() + static_cast<ptrdiff_t>(axis) + 1);
  std::rotate(x.strides.begin(), x.strides.begin() + static_cast<ptrdiff_t>(axis),
              x.strides.begin() + static_cast<ptrdiff_t>(axis) + 1);
  return x;
}

// rows[p..., :] and table[indices[0][p...], indices[1][p...], ..., :] belong together.
struct Selection {
  aclTensor table;
  std::vector<aclTensor> indices;
  aclTensor rows;

  size_t tail() const { return table.sizes.size() - indices.size(); }
  Sizes places() const {
    return Sizes(rows.sizes.begin(), rows.sizes.end() - static_cast<ptrdiff_t>(tail()));
  }
};

bool fits(const Selection& s) {
  if (s.indices.size() > s.table.sizes.size() || s.rows.sizes.size() < s.tail()) return false;
  const auto same_tail =
      std::equal(s.table.sizes.begin() + static_cast<ptrdiff_t>(s.indices.size()),
                 s.table.sizes.end(), s.rows.sizes.end() - static_cast<ptrdiff_t>(s.tail()));
  return same_tail && s.table.data_type == s.rows.data_type &&
         std::all_of(s.indices.begin(), s.indices.end(), [&](const aclTensor& index) {
           return is_index(&index) && broadcastable(index, s.places());
         });
}

enum class Direction { kTake, kPut };

void move_rows(const Selection& s, Direction direction) {
  const Sizes places = s.places();
  std::vector<std::vector<int64_t>> each;
  for (const aclTensor& index : s.indices) each.push_back(broadcast_indices(index, places));
  const auto bytes = static_cast<int64_t>(bytes_of(s.table.data_type));
  aclTensor entry = dimensions(s.table, s.indices.size(), s.table.sizes.size());
  aclTensor row = dimensions(s.rows, places.size(), s.rows.sizes.size());
  entry.offset = row.offset = 0;
  size_t place = 0;
  walk<1>(places, {cursor_over(dimensions(s.rows, 0, places.size()), places)}, [&](const auto& at) {
    row.data = at[0];
    entry.data = s.table.first();
    for (size_t axis = 0; axis < each.size(); ++axis) {
      const int64_t index = checked(each[axis][place], s.table.sizes[axis]);
      entry.data += index * s.table.strides[axis] * bytes;
    }
    direction == Direction::kTake ? move_elements(entry, row) : move_elements(row, entry);
    ++place;
  });
}

AclError refuse_selection(const Request& request, const Selection& s) {
  std::string text = "of " + text_of(s.table.sizes) + " the rows " + text_of(s.rows.sizes) + " by";
  for (const aclTensor& index : s.indices) {
    text += " " + text_of(index.sizes) + " of data type " + std::to_string(index.data_type);
  }
  return refuse(request, text + " (supported: int32 and int64 for leading dimensions)");
}

// table[index] with one index tensor for each of its leading dimensions.
AclError take(const Request& request, const aclTensor* table,
              const std::vector<const aclTensor*>& indices, aclTensor* out, size_t axis = 0) {
  if (table == nullptr || out == nullptr ||
      std::count(indices.begin(), indices.end(), nullptr) != 0) {
    return refuse(request, "null pointers");
  }
  Selection s{with_first(*table, axis), {}, with_first(*out, axis)};
  for (const aclTensor* index : indices) s.indices.push_back(*index);
  if (!fits(s)) return refuse_selection(request, s);
  Operands operands{{table}, {out}, {}, false};
  operands.reads.insert(operands.reads.end(), indices.begin(), indices.end());
  return plan(request, operands, [s] { move_rows(s, Direction::kTake); });
}

AclError check_mask(const Request& request, const aclTensor* x, const aclTensor* mask) {
  if (x == nullptr || mask == nullptr) return refuse(request, "null pointers");
  if (mask->data_type != kBool) return refuse(request, "masks that are not bool");
  return check_broadcast(request, mask, x);
}

// torch_npu makes room for the largest result, waits, and asks the output for its shape: it is
// alive and gets its shape when the task has run.
AclError nonzero(const Request& request, const aclTensor* x, aclTensor* out, bool by_dimension) {
  if (x == nullptr || out == nullptr) return refuse(request, "null pointers");
  const auto dims = static_cast<size_t>(x->dims());
  if (out->data_type != kInt64 || out->count() < x->count() * x->dims()) {
    return refuse(request, "an output that is not int64 or too small");
  }
  return plan(request, {{x}, {out}}, [x = *x, out, dims, by_dimension] {
    const Codec& from = *codec_of(x.data_type);
    std::vector<Sizes> found;
    Sizes index(dims, 0);
    walk<1>(x.sizes, {cursor_over(x, x.sizes)}, [&](const auto& at) {
      if (from.load_real(at[0]) != 0) found.push_back(index);
      for (size_t axis = dims; axis-- > 0 && ++index[axis] == x.sizes[axis];) index[axis] = 0;
    });
    auto* to = reinterpret_cast<int64_t*>(out->first());
    const size_t count = found.size();
    for (size_t i = 0; i < count; ++i) {
      for (size_t axis = 0; axis < dims; ++axis) {
        to[by_dimension ? axis * count + i : i * dims + axis] = found[i][axis];
      }
    }
    const auto rows = static_cast<int64_t>(count), columns = static_cast<int64_t>(dims);
    out->sizes = by_dimension ? Sizes{columns, rows} : Sizes{rows, columns};
  });
}

}  // namespace

ACLNN(Embedding, const aclTensor* weight, const aclTensor* indices, aclTensor* out) {
  return take(ACLNN_REQUEST, weight, {indices}, out);
}

ACLNN(Index, const aclTensor* x, const aclTensorList* indices, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (indices == nullptr) return refuse(request, "null pointers");
  return take(request, x, indices->tensors, out);
}

ACLNN(IndexSelect, const aclTensor* x, int64_t dim, const aclTensor* index, aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (x == nullptr || out == nullptr || x->axis(dim) >= x->sizes.size() ||
      x->dims() != out->dims()) {
    return refuse(request, "a scalar, or dimension " + std::to_string(dim));
  }
  return take(request, x, {index}, out, x->axis(dim));
}

// A copy of x with rows of `source` in the places that `index` names.
ACLNN(IndexCopy, const aclTensor* x, int64_t dim, const aclTensor* index, const aclTensor* source,
      aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  for (const aclTensor* t : {x, index, source, static_cast<const aclTensor*>(out)}) {
    if (t == nullptr) return refuse(request, "null pointers");
  }
  const size_t axis = x->axis(dim);
  if (axis >= x->sizes.size() || x->dims() != source->dims() || x->sizes != out->sizes ||
      x->data_type != out->data_type) {
    return refuse(request, "dimension " + std::to_string(dim) + " of " + text_of(x->sizes) +
                               " with " + text_of(source->sizes) + " for " + text_of(out->sizes));
  }
  const Selection s{with_first(*out, axis), {*index}, with_first(*source, axis)};
  if (!fits(s)) return refuse_selection(request, s);
  return plan(request, {{x, index, source}, {out}, {}, false}, [x = *x, out = *out, s] {
    move_elements(x, out);
    move_rows(s, Direction::kPut);
  });
}

// Where x is not 0: [count, dimensions of x].
ACLNN(Nonzero, const aclTensor* x, aclTensor* out) { return nonzero(ACLNN_REQUEST, x, out, false); }
// The same, [dimensions of x, count].
ACLNN(NonzeroV2, const aclTensor* x, aclTensor* out) {
  return nonzero(ACLNN_REQUEST, x, out, true);
}

ACLNN(InplaceMaskedFillScalar, aclTensor* x, const aclTensor* mask, const aclScalar* value) {
  const Request request = ACLNN_REQUEST;
  if (const AclError error = check_mask(request, x, mask)) return error;
  if (value == nullptr) return refuse(request, "a value that is a null pointer");
  const auto work = [x = *x, mask = *mask, value = *value] {
    const Codec &truth = *codec_of(mask.data_type), &to = *codec_of(x.data_type);
    walk<2>(x.sizes, {cursor_over(mask, x.sizes), cursor_over(x, x.sizes)}, [&](const auto& at) {
      if (truth.load_int(at[0]) == 0) return;
      is_integral(value.data_type) ? store(to, at[1], int_value(&value))
                                   : store(to, at[1], real_value(&value));
    });
  };
  return plan(request, {{mask}, {x}, {value}}, work);
}

// Elements of `source` one after the other, where the mask is true.
ACLNN(InplaceMaskedScatter, aclTensor* x, const aclTensor* mask, const aclTensor* source) {
  const Request request = ACLNN_REQUEST;
  if (const AclError error = check_mask(request, x, mask)) return error;
  if (source == nullptr || source->data_type != x->data_type) {
    return refuse(request, "a source of another type");
  }
  return plan(request, {{mask, source}, {x}}, [x = *x, mask = *mask, source = *source] {
    std::vector<const char*> elements;
    walk<1>(source.sizes, {cursor_over(source, source.sizes)},
            [&](const auto& at) { elements.push_back(at[0]); });
    const Codec &truth = *codec_of(mask.data_type), &to = *codec_of(x.data_type);
    size_t next = 0;
    walk<2>(x.sizes, {cursor_over(mask, x.sizes), cursor_over(x, x.sizes)}, [&](const auto& at) {
      if (truth.load_int(at[0]) == 0) return;
      if (next == elements.size())
        throw std::out_of_range("a source smaller than the mask asks for");
      std::memcpy(at[1], elements[next++], to.bytes);
    });
  });
}

// Pairs of `padding` (before, after) from the last dimension on.
ACLNN(ConstantPadNd, const aclTensor* x, const aclIntArray* padding, const aclScalar* value,
      aclTensor* out) {
  const Request request = ACLNN_REQUEST;
  if (x == nullptr || padding == nullptr || value == nullptr || out == nullptr) {
    return refuse(request, "null pointers");
  }
  aclTensor inner = *out;
  inner.sizes = x->sizes;
  Sizes expected = x->sizes;
  for (size_t i = 0; i < padding->values.size(); ++i) {
    const size_t axis = x->sizes.size() - 1 - i / 2;
    if (axis >= expected.size() || padding->values[i] < 0) return refuse(request, "this padding");
    expected[axis] += padding->values[i];
    if (i % 2 == 0) inner.offset += padding->values[i] * out->strides[axis];
  }
  if (expected != out->sizes || x->data_type != out->data_type) {
    return refuse(request, "padding " + text_of(x->sizes) + " to " + text_of(out->sizes));
  }
  return plan(request, {{x}, {out}, {value}}, [x = *x, inner, out = *out, value = *value] {
    const Codec& to = *codec_of(out.data_type);
    walk<1>(out.sizes, {cursor_over(out, out.sizes)}, [&](const auto& at) {
      is_integral(value.data_type) ? store(to, at[0], int_value(&value))
                                   : store(to, at[0], real_value(&value));
    });
    move_elements(x, inner);
  });
}
