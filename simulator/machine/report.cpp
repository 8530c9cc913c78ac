#include "ascsim/report.h"

#include <cstdio>
#include <cstring>

namespace ascsim {

namespace {

bool same(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

bool same(const Report& a, const Report& b) {
  if (a.check != b.check || a.kind != b.kind || a.place.kind != b.place.kind ||
      a.place.pipe != b.place.pipe || a.other.has_value() != b.other.has_value()) {
    return false;
  }
  return same(a.place.site, b.place.site) && (!a.other || same(a.other->site, b.other->site));
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string place_json(const Place& place) {
  return "{\"block\": " + std::to_string(place.block) + ", \"core\": \"" + name_of(place.kind) +
         "\", \"sub_block\": " + std::to_string(place.sub_block) + ", \"pipe\": \"" +
         name_of(place.pipe) + "\", \"operation\": " + quoted(place.operation) +
         ", \"file\": " + quoted(place.site.file) +
         ", \"line\": " + std::to_string(place.site.line) + "}";
}

}  // namespace

const char* name_of(Check check) {
  static constexpr const char* kNames[] = {"capacity",  "gm bounds",     "alignment", "parameter",
                                           "narrowing", "uninitialized", "flag",      "deadlock",
                                           "hazard",    "state",         "assertion"};
  return kNames[static_cast<int>(check)];
}

std::string to_text(const Site& site) {
  return std::string(site.file) + ":" + std::to_string(site.line);
}

std::string to_text(const Place& place) {
  std::string text = name_of(place.kind);
  text += " " + std::to_string(place.block);
  if (place.kind == CoreKind::kAiv) text += "." + std::to_string(place.sub_block);
  text += std::string(" ") + name_of(place.pipe) + " " + place.operation;
  if (place.site.line > 0) {
    text += " at " + to_text(place.site);
  }
  return text;
}

std::string to_text(const Report& report) {
  std::string text = std::string(name_of(report.check));
  if (report.kind != name_of(report.check)) text += " (" + report.kind + ")";
  text += " in " + report.kernel + ": " + report.message + "\n  " + to_text(report.place);
  if (report.other) text += "\n  after " + to_text(*report.other);
  if (report.end > report.begin) {
    text += "\n  " + report.memory + " bytes [" + std::to_string(report.begin) + ", " +
            std::to_string(report.end) + ")";
  }
  if (!report.hint.empty()) text += "\n  " + report.hint;
  if (report.occurrences > 1) text += "\n  " + std::to_string(report.occurrences) + " times";
  return text;
}

std::string to_json(const std::vector<Report>& reports) {
  std::string text = "[";
  for (const Report& r : reports) {
    if (text.size() > 1) text += ",\n ";
    text += "{\"check\": \"" + std::string(name_of(r.check)) + "\", \"kind\": " + quoted(r.kind) +
            ", \"kernel\": " + quoted(r.kernel) + ", \"message\": " + quoted(r.message) +
            ", \"place\": " + place_json(r.place) +
            ", \"other\": " + (r.other ? place_json(*r.other) : "null") +
            ", \"memory\": " + quoted(r.memory) + ", \"begin\": " + std::to_string(r.begin) +
            ", \"end\": " + std::to_string(r.end) + ", \"hint\": " + quoted(r.hint) +
            ", \"occurrences\": " + std::to_string(r.occurrences) + "}";
  }
  return text + "]";
}

void ReportList::add(Report report) {
  for (Report& known : reports_) {
    if (same(known, report)) {
      ++known.occurrences;
      return;
    }
  }
  reports_.push_back(std::move(report));
}

}  // namespace ascsim
