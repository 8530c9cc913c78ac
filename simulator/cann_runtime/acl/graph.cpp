// Capture of streams into graphs, and their replay.
#include "runtime/graph.h"

#include "acl/acl.h"
#include "runtime/context.h"
#include "runtime/counters.h"

using namespace ascsim::cann;
using StreamPointer = std::shared_ptr<Stream>;

namespace {

std::shared_ptr<Graph> graph_of(const char* entry, Handle handle) {
  std::shared_ptr<Graph> graph = find_graph(handle);
  if (!graph) fail(kRtInvalidHandle, std::string(entry) + ": no such graph");
  return graph;
}

}  // namespace

ACL_ENTRY int aclmdlRICaptureBegin(Handle handle, int /*mode*/) {
  return with_stream("aclmdlRICaptureBegin", handle, [&](const StreamPointer& stream) {
    if (stream->capture()) {
      return fail(kRtStreamCaptured, "aclmdlRICaptureBegin: the stream is captured already");
    }
    auto graph = std::make_shared<Graph>();
    keep_graph(graph);
    graph->join(stream);
    stream->set_capture(graph);
    return AclError{kSuccess};
  });
}

ACL_ENTRY int aclmdlRICaptureGetInfo(Handle handle, int* status, Handle* graph) {
  if (status == nullptr) return null_argument("aclmdlRICaptureGetInfo");
  return with_stream("aclmdlRICaptureGetInfo", handle, [&](const StreamPointer& stream) {
    const auto captured = stream->capture();
    *status = captured ? 1 : 0;
    if (graph != nullptr) *graph = captured.get();
    return AclError{kSuccess};
  });
}

ACL_ENTRY int aclmdlRICaptureEnd(Handle handle, Handle* graph) {
  if (graph == nullptr) return null_argument("aclmdlRICaptureEnd");
  return with_stream("aclmdlRICaptureEnd", handle, [&](const StreamPointer& stream) {
    const auto captured = stream->capture();
    if (!captured) {
      return fail(kRtStreamNotCaptured, "aclmdlRICaptureEnd: the stream is not captured");
    }
    captured->leave_all();
    *graph = captured.get();
    return AclError{kSuccess};
  });
}

ACL_ENTRY int aclmdlRICaptureThreadExchangeMode(int* mode) {
  if (mode == nullptr) return null_argument("aclmdlRICaptureThreadExchangeMode");
  *mode = 0;
  return kSuccess;
}

ACL_ENTRY int aclmdlRIExecuteAsync(Handle handle, Handle stream_handle) {
  const auto graph = graph_of("aclmdlRIExecuteAsync", handle);
  if (!graph) return kRtInvalidHandle;
  return with_stream("aclmdlRIExecuteAsync", stream_handle, [&](const StreamPointer& stream) {
    ++counters().graph_replays;
    for (Task& task : graph->tasks()) stream->submit(std::move(task));
    return AclError{kSuccess};
  });
}

ACL_ENTRY int aclmdlRIDestroy(Handle graph) {
  if (destroy_graph(graph)) return kSuccess;
  return fail(kRtInvalidHandle, "aclmdlRIDestroy: no such graph");
}
