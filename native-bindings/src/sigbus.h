// What is said before the process ends because a mapped file was shortened or its disk failed.
//
// Touching a page that the file no longer has raises SIGBUS, and nothing can be mended from there. But the reader of
// the log deserves the name of the file. The handler may neither lock nor allocate, so it reads a list that is only ever
// extended: entries are reused but never freed, and a version, odd while an entry changes, tells a torn one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

struct SignalEntry;

SignalEntry* add_signal_entry(uintptr_t from, size_t bytes, const char* path);
void remove_signal_entry(SignalEntry* entry);

// Once per process, however often it is called. Returns 0 or an errno.
int install_sigbus_handler();

}  // namespace varve
