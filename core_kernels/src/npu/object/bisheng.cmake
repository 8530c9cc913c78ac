# The kernel object for the toolchain `bisheng`: one library, with the code of both kinds of cores and
# of the host. A command per kernel, so that they compile in parallel.
cmake_minimum_required(VERSION 3.20)  # translates the paths in dependency files
include(${core}/cmake/cann.cmake)
fa_find_cann()
if(FA_CANN_PROBLEM)
  message(FATAL_ERROR "FA_NPU_TOOLCHAIN=bisheng: ${FA_CANN_PROBLEM}")
endif()
fa_need_catlass()
message(STATUS "NPU kernels: CANN ${FA_CANN_VERSION}, ${FA_BISHENG}")

# `-x asc` compiles a source for the host and for the device, where kernels and their launches are.
set(device -x asc --npu-arch=dav-2201 -DCATLASS_ARCH=2201 -I${CATLASS_INCLUDE})
if(FA_CANN_VERSION VERSION_GREATER_EQUAL 9)
  # Kernels name the cores they run on.
  list(APPEND device --cce-auto-infer-kernel-type=false)
endif()
set(common -std=c++17 -O2 -fPIC -I${core}/src -I${core}/include)

set(objects "")
function(fa_bisheng_object source)
  get_filename_component(name ${source} NAME_WE)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${FA_BISHENG} ${ARGN} ${common} -MD -MT ${object} -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source} ${FA_BISHENG}
    DEPFILE ${object}.d
    COMMENT "bisheng ${name}"
    VERBATIM)
  set(objects ${objects} ${object} PARENT_SCOPE)
endfunction()
foreach(source ${kernels} ${CMAKE_CURRENT_SOURCE_DIR}/kernel_table.cpp)
  fa_bisheng_object(${source} ${device})
endforeach()
fa_bisheng_object(${CMAKE_CURRENT_SOURCE_DIR}/bisheng_object.cpp -I${FA_CANN_HOME}/include)

# With -z defs an entry of the table that no kernel file defines stops the build.
set(library ${CMAKE_CURRENT_BINARY_DIR}/libfa_npu_kernels.so)
add_custom_command(
  OUTPUT ${library}
  COMMAND ${FA_BISHENG} --npu-arch=dav-2201 -shared -fPIC -Wl,-z,defs ${objects}
          -L${FA_CANN_HOME}/lib64 -lascendcl -o ${library}
  DEPENDS ${objects}
  COMMENT "bisheng libfa_npu_kernels.so"
  VERBATIM)
add_custom_target(fa_npu_kernels ALL DEPENDS ${library})
install(FILES ${library} DESTINATION lib/fa_npu_kernels)
