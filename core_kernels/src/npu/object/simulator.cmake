# The kernel object for the toolchain `simulator`: a folder of libraries that find each other. Both
# passes of the kernels define the same symbols, so each pass is a library of its own.
fa_need_catlass()
set(FA_BUILD_KEY "local" CACHE STRING "Names this build: processes with several share nothing")

set(ASCSIM_PYTHON OFF)
set(ASCSIM_TEST_KERNELS OFF)
add_subdirectory(${core}/../simulator ${CMAKE_BINARY_DIR}/simulator EXCLUDE_FROM_ALL)
include(${core}/../simulator/cmake/AscKernels.cmake)
set_target_properties(ascsim PROPERTIES OUTPUT_NAME ascsim-${FA_BUILD_KEY})

asc_add_kernels(fa_npu_kernels SOURCES ${kernels} INCLUDES ${core}/src ${core}/include ${CATLASS_INCLUDE})

add_library(fa_npu_kernels MODULE kernel_table.cpp sim_object.cpp sim_runtime.cpp)
target_compile_definitions(fa_npu_kernels PRIVATE __NPU_ARCH__=2201 __DAV_C220_VEC__)
target_include_directories(fa_npu_kernels PRIVATE ${core}/src ${core}/include)
target_link_libraries(fa_npu_kernels PRIVATE ascsim ${CMAKE_DL_LIBS})
target_compile_options(fa_npu_kernels PRIVATE -Wall -Wextra)
set_target_properties(fa_npu_kernels PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

set(libraries fa_npu_kernels fa_npu_kernels_aic fa_npu_kernels_aiv)
set_target_properties(${libraries} PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS ascsim ${libraries} LIBRARY DESTINATION lib/fa_npu_kernels)
