# asc_add_kernels(name SOURCES a.cpp ... [INCLUDES dir ...] [PASSES AIC AIV] [STANDARD 17])
#
# Compiles each source once per pass, as bisheng does, into libname_aic.so and libname_aiv.so. Both
# define the same symbols, so each hides its own.
function(asc_add_kernels name)
  cmake_parse_arguments(arg "" "STANDARD" "SOURCES;INCLUDES;DEFINITIONS;PASSES" ${ARGN})
  if(NOT arg_PASSES)
    set(arg_PASSES AIC AIV)
  endif()
  if(NOT arg_STANDARD)
    set(arg_STANDARD 17)
  endif()
  foreach(pass ${arg_PASSES})
    string(TOLOWER ${pass} suffix)
    set(target ${name}_${suffix})
    add_library(${target} MODULE ${arg_SOURCES})
    set_target_properties(${target} PROPERTIES CXX_STANDARD ${arg_STANDARD} CXX_VISIBILITY_PRESET hidden
                          VISIBILITY_INLINES_HIDDEN ON)
    target_compile_definitions(${target} PRIVATE ${arg_DEFINITIONS} CATLASS_ARCH=2201
      __NPU_ARCH__=2201 $<IF:$<STREQUAL:${pass},AIC>,__DAV_C220_CUBE__,__DAV_C220_VEC__>)
    # CATLASS includes kernel_operator.h under bisheng only.
    target_compile_options(${target} PRIVATE -include kernel_operator.h
      "$<IF:$<CONFIG:Debug>,-O0;-g,-O1;-g1>")
    target_include_directories(${target} PRIVATE ${arg_INCLUDES})
    target_link_libraries(${target} PRIVATE ascsim)
  endforeach()
endfunction()
