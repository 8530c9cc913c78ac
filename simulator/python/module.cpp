// Python module _ascsim: loads kernel libraries and runs kernels on NumPy arrays.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sys/mman.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "ascsim/launch.h"

namespace py = pybind11;

namespace {

// A kernel argument: an array (its address), a number for a scalar parameter, or bytes for a
// struct.
struct Value {
  uint64_t bits = 0;
  std::vector<uint64_t> words;  // of a struct

  const void* address() const {
    return words.empty() ? static_cast<const void*>(&bits) : words.data();
  }
};

Value struct_value(const py::bytes& object, const ascsim::Parameter& parameter) {
  const std::string_view given = object;
  if (given.size() != parameter.bytes) {
    throw ascsim::LaunchError("a struct of " + std::to_string(parameter.bytes) +
                              " bytes is expected, got " + std::to_string(given.size()));
  }
  Value value;
  value.words.resize((given.size() + sizeof(uint64_t) - 1) / sizeof(uint64_t));
  std::memcpy(value.words.data(), given.data(), given.size());
  return value;
}

Value scalar_value(const py::handle& object, const ascsim::Parameter& parameter) {
  Value value;
  if (py::isinstance<py::float_>(object)) {
    if (parameter.bytes == 4) {
      const auto narrow = object.cast<float>();
      std::memcpy(&value.bits, &narrow, sizeof(narrow));
    } else {
      const auto wide = object.cast<double>();
      std::memcpy(&value.bits, &wide, sizeof(wide));
    }
  } else {
    value.bits = py::isinstance<py::int_>(object) && object.attr("__lt__")(0).cast<bool>()
                     ? static_cast<uint64_t>(object.cast<int64_t>())
                     : object.cast<uint64_t>();
  }
  return value;
}

// Addresses without memory behind them, for timing-only runs: touching one faults.
class Virtual {
 public:
  explicit Virtual(int64_t bytes) : bytes_(bytes) {
    if (bytes <= 0) throw ascsim::LaunchError("a virtual buffer needs a positive size");
    address_ = mmap(nullptr, static_cast<size_t>(bytes), PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Virtual() { munmap(address_, static_cast<size_t>(bytes_)); }
  Virtual(const Virtual&) = delete;
  Virtual& operator=(const Virtual&) = delete;

  const void* address() const { return address_; }
  int64_t bytes() const { return bytes_; }

 private:
  void* address_;
  int64_t bytes_;
};

ascsim::GmDeclaration declaration(const py::handle& object, size_t index) {
  ascsim::GmDeclaration b;
  b.name = "argument " + std::to_string(index);
  if (py::isinstance<Virtual>(object)) {
    const auto& v = object.cast<const Virtual&>();
    b.address = v.address();
    b.bytes = v.bytes();
    b.backed = false;
    return b;
  }
  const auto a = py::reinterpret_borrow<py::array>(object);
  if ((a.flags() & py::array::c_style) == 0) {
    throw ascsim::LaunchError(b.name + " is not C-contiguous");
  }
  b.address = a.data();
  b.bytes = a.nbytes();
  return b;
}

struct Result {
  ascsim::RunResult run;
};

py::list reports_of(const Result& result) {
  py::list list;
  for (const ascsim::Report& r : result.run.reports) list.append(ascsim::to_text(r));
  return list;
}

void declare_once(std::vector<ascsim::GmDeclaration>& buffers, const ascsim::GmDeclaration& b) {
  for (const auto& other : buffers) {
    if (other.address == b.address) return;  // the same array twice is one buffer
  }
  buffers.push_back(b);
}

Result run(const std::string& kernel, int blocks, const py::list& arguments,
           const py::list& outputs, const ascsim::Options& options, const py::list& buffers_in,
           const py::list& buffers_out) {
  const ascsim::Kernel& entry = ascsim::find_kernel(kernel);
  if (py::len(arguments) != entry.parameters.size()) {
    throw ascsim::LaunchError("kernel " + kernel + " takes " +
                              std::to_string(entry.parameters.size()) + " arguments, got " +
                              std::to_string(py::len(arguments)));
  }
  std::vector<Value> values(entry.parameters.size());
  std::vector<const void*> pointers;
  std::vector<ascsim::GmDeclaration> buffers;
  for (size_t i = 0; i < values.size(); ++i) {
    const py::handle object = arguments[i];
    const bool array = py::isinstance<py::array>(object) || py::isinstance<Virtual>(object);
    if (array != entry.parameters[i].pointer && !object.is_none()) {
      throw ascsim::LaunchError("kernel " + kernel + ", argument " + std::to_string(i) +
                                (array ? " is a number, got an array" : " is an array"));
    }
    if (array) {
      ascsim::GmDeclaration b = declaration(object, i);
      for (const py::handle out : outputs) b.defined &= out.cast<size_t>() != i;
      values[i].bits = reinterpret_cast<uint64_t>(b.address);
      declare_once(buffers, b);
    } else if (py::isinstance<py::bytes>(object)) {
      values[i] = struct_value(py::reinterpret_borrow<py::bytes>(object), entry.parameters[i]);
    } else if (!object.is_none()) {
      values[i] = scalar_value(object, entry.parameters[i]);
    }
    pointers.push_back(values[i].address());
  }
  const auto declare = [&](const py::list& list, const char* kind, bool defined) {
    for (size_t i = 0; i < list.size(); ++i) {
      ascsim::GmDeclaration b = declaration(list[i], i);
      b.name = kind + std::to_string(i);
      b.defined = defined;
      declare_once(buffers, b);
    }
  };
  declare(buffers_in, "buffer in ", true);
  declare(buffers_out, "buffer out ", false);
  Result result;
  {
    const py::gil_scoped_release released;
    result.run = ascsim::run(kernel, blocks, pointers, buffers, options);
  }
  return result;
}

void bind_options(py::module_& m) {
  py::class_<ascsim::Options>(m, "Options")
      .def(py::init<>())
      .def_readwrite("execute", &ascsim::Options::execute)
      .def_readwrite("checks", &ascsim::Options::checks)
      .def_readwrite("hazards", &ascsim::Options::hazards)
      .def_readwrite("auto_barriers", &ascsim::Options::auto_barriers)
      .def_readwrite("timing", &ascsim::Options::timing)
      .def_readwrite("profile", &ascsim::Options::profile)
      .def_readwrite("trace", &ascsim::Options::trace)
      .def_readwrite("mutation", &ascsim::Options::mutation)
      .def_readwrite("mutation_points", &ascsim::Options::mutation_points)
      .def_readwrite("reserved_temporaries", &ascsim::Options::reserved_temporaries);
  py::class_<ascsim::Mutation>(m, "Mutation")
      .def(py::init<>())
      .def_property_readonly("kind",
                             [](const ascsim::Mutation& x) { return ascsim::name_of(x.kind); })
      .def_property_readonly("core",
                             [](const ascsim::Mutation& x) { return ascsim::name_of(x.core); })
      .def_property_readonly("memory",
                             [](const ascsim::Mutation& x) { return ascsim::name_of(x.memory); })
      .def_readonly("address", &ascsim::Mutation::address)
      .def_readonly("bytes", &ascsim::Mutation::bytes)
      .def("__str__", &ascsim::Mutation::text);
}

void bind_timing(py::module_& m) {
  py::class_<ascsim::PipeTime>(m, "PipeTime")
      .def_property_readonly("core",
                             [](const ascsim::PipeTime& p) { return ascsim::name_of(p.core); })
      .def_property_readonly("pipe",
                             [](const ascsim::PipeTime& p) { return ascsim::name_of(p.pipe); })
      .def_readonly("busy_cycles", &ascsim::PipeTime::busy_cycles)
      .def_readonly("utilisation", &ascsim::PipeTime::utilisation);
  py::class_<ascsim::Timing>(m, "Timing")
      .def_readonly("profile", &ascsim::Timing::profile)
      .def_readonly("cycles", &ascsim::Timing::cycles)
      .def_readonly("microseconds", &ascsim::Timing::microseconds)
      .def_readonly("launch_microseconds", &ascsim::Timing::launch_microseconds)
      .def_readonly("l2_utilisation", &ascsim::Timing::l2_utilisation)
      .def_readonly("hbm_utilisation", &ascsim::Timing::hbm_utilisation)
      .def_readonly("pipes", &ascsim::Timing::pipes)
      .def_property_readonly("bytes",
                             [](const ascsim::Timing& t) {
                               py::dict bytes;
                               for (const auto& path : t.bytes)
                                 bytes[py::str(path.path)] = path.bytes;
                               return bytes;
                             })
      .def_readonly("peak_records", &ascsim::Timing::peak_records)
      .def_readonly("bound_by", &ascsim::Timing::bound_by)
      .def_readonly("trace", &ascsim::Timing::trace)
      .def_property_readonly("text", &ascsim::Timing::text)
      .def_property_readonly("json", &ascsim::Timing::json);
}

void bind_results(py::module_& m) {
  py::class_<Result>(m, "Result")
      .def_property_readonly("reports", &reports_of)
      .def_property_readonly("json", [](const Result& r) { return ascsim::to_json(r.run.reports); })
      .def_property_readonly("mutation_points",
                             [](const Result& r) {
                               py::list points;
                               for (const auto& p : r.run.mutation_points) {
                                 points.append(py::make_tuple(p.mutation, p.orders));
                               }
                               return points;
                             })
      .def_property_readonly(
          "timing", [](const Result& r) { return r.run.timing.get(); },
          py::return_value_policy::reference_internal);
}

void bind_functions(py::module_& m) {
  m.def("load", &ascsim::load_kernels, py::arg("path"));
  m.def("kernels", &ascsim::kernel_names);
  m.def("profiles", &ascsim::profile_names);
  m.def("timing_constants", [] {
    py::list list;
    for (const auto& c : ascsim::timing_constants()) {
      list.append(py::make_tuple(c.field, c.values, c.unit, std::string(1, c.mark), c.source));
    }
    return list;
  });
  m.def("parameters", [](const std::string& name) {
    py::list list;
    for (const auto& p : ascsim::find_kernel(name).parameters) {
      list.append(py::make_tuple(p.pointer, p.bytes));
    }
    return list;
  });
  m.def("run", &run, py::arg("kernel"), py::arg("blocks"), py::arg("arguments"),
        py::arg("outputs") = py::list(), py::arg("options") = ascsim::Options(),
        // Memory that the kernel reaches by addresses it reads: known, but no argument.
        py::arg("buffers_in") = py::list(), py::arg("buffers_out") = py::list());
}

}  // namespace

PYBIND11_MODULE(_ascsim, m) {
  m.doc() = "Runs Ascend C kernels on the host.";
  py::register_exception<ascsim::LaunchError>(m, "LaunchError", PyExc_ValueError);
  py::register_exception<ascsim::SimulatorBug>(m, "SimulatorBug", PyExc_RuntimeError);
  py::class_<Virtual>(m, "Virtual", "GM addresses without memory, for runs with execute = False.")
      .def(py::init<int64_t>(), py::arg("nbytes"))
      .def_property_readonly("nbytes", &Virtual::bytes)
      .def_property_readonly(
          "address", [](const Virtual& v) { return reinterpret_cast<uint64_t>(v.address()); });
  bind_options(m);
  bind_timing(m);
  bind_results(m);
  bind_functions(m);
}
