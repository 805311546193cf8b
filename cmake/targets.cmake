# Target helpers: warnings, sanitizers, and one OBJECT library per folder.
add_library(fedloom_options INTERFACE)
target_compile_features(fedloom_options INTERFACE cxx_std_20)
target_include_directories(fedloom_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>)
target_link_libraries(fedloom_options INTERFACE Threads::Threads)
# Floating-point contraction is left to the compiler, reordering is not: no -ffast-math.
target_compile_options(fedloom_options INTERFACE -fno-math-errno -fno-trapping-math)
# One client trains on one thread; Eigen must not start its own where OpenMP is on.
target_compile_definitions(fedloom_options INTERFACE EIGEN_DONT_PARALLELIZE)

add_library(fedloom_warnings INTERFACE)
target_compile_options(fedloom_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wold-style-cast -Wdouble-promotion
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # GCC 12 reports it falsely on std::string concatenation
if(CMAKE_BUILD_TYPE STREQUAL "Debug" OR FEDLOOM_WERROR)
  target_compile_options(fedloom_warnings INTERFACE -Werror)
endif()

if(FEDLOOM_SANITIZE)
  target_compile_options(fedloom_options INTERFACE -fsanitize=${FEDLOOM_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all -DFEDLOOM_SANITIZED=1)
  target_link_options(fedloom_options INTERFACE -fsanitize=${FEDLOOM_SANITIZE})
endif()

configure_file(${PROJECT_SOURCE_DIR}/cmake/version.hpp.in ${PROJECT_BINARY_DIR}/generated/core/version.hpp)

# fedloom_library(models USES core PACKAGES Eigen3::Eigen): compiles models/*.cpp and below.
#   fedloom_models       the object library, for its include paths and packages
#   fedloom_models_all   what a program links: these objects and those of every folder it uses
#   With FEDLOOM_PRECOMPILE its standard headers are parsed once: sanitizer builds are made cold each time.
#   Not the default, because it would hide a missing #include.
set(FEDLOOM_PRECOMPILED <algorithm> <cmath> <filesystem> <functional> <map> <memory> <optional> <span> <string>
    <vector> <fmt/format.h>)
function(fedloom_library name)
  cmake_parse_arguments(ARG "" "" "USES;PACKAGES" ${ARGN})
  # Relative, so that what is left out does not depend on where the project lies (a folder called main, say).
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "^${name}/main/")
  add_library(fedloom_${name} OBJECT ${sources} ${PROJECT_SOURCE_DIR}/cmake/empty.cpp)
  target_link_libraries(fedloom_${name} PUBLIC fedloom_options ${ARG_PACKAGES} PRIVATE fedloom_warnings)
  set_target_properties(fedloom_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  # Unrolled kernels take minutes to compile with a check at every pointer; the address sanitizer still reads them.
  if(FEDLOOM_SANITIZE MATCHES "undefined")
    list(FILTER sources INCLUDE REGEX "/kernels/|/gemm_")
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "-fno-sanitize=undefined")
  endif()
  if(FEDLOOM_PRECOMPILE)
    target_precompile_headers(fedloom_${name} PRIVATE ${FEDLOOM_PRECOMPILED})
  endif()
  # Named as a set, which gives the target that compiles each header on its own (make lint).
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.hpp)
  target_sources(fedloom_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
  set(folders ${name})
  foreach(used ${ARG_USES})
    target_link_libraries(fedloom_${name} PUBLIC fedloom_${used})
    get_target_property(more fedloom_${used}_all FEDLOOM_FOLDERS)
    list(APPEND folders ${more})
  endforeach()
  list(REMOVE_DUPLICATES folders)
  add_library(fedloom_${name}_all INTERFACE)
  set_target_properties(fedloom_${name}_all PROPERTIES FEDLOOM_FOLDERS "${folders}")
  foreach(folder ${folders})
    target_link_libraries(fedloom_${name}_all INTERFACE fedloom_${folder})
    target_sources(fedloom_${name}_all INTERFACE $<TARGET_OBJECTS:fedloom_${folder}>)
  endforeach()
endfunction()
