# CMAKE_TOOLCHAIN_FILE for AArch64 on a machine of another kind, with the cross-compiler of
# distributions. CXX names another one, with a launcher before it if wanted.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
if(NOT DEFINED ENV{CXX})
  set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
endif()
# Programs are those of this machine, libraries those of the other.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
