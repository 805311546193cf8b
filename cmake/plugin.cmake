# fedloom_add_plugin(fedfoo fedfoo.cpp …) makes fedfoo.so, which an experiment loads with
# `plugins: [path/to/fedfoo.so]`. The same function serves the project itself and, after
# find_package(fedloom), any other. A plug-in leaves fedloom's own symbols open; the program that loads it
# has them.
set(FEDLOOM_PLUGIN_VERSION_TEMPLATE ${CMAKE_CURRENT_LIST_DIR}/plugin_version.cpp.in)

function(fedloom_add_plugin name)
  # fedloom_VERSION comes from project(fedloom) here and from find_package(fedloom) elsewhere; the compiler
  # is that of the plug-in in both.
  set(version_source ${CMAKE_CURRENT_BINARY_DIR}/${name}_version.cpp)
  configure_file(${FEDLOOM_PLUGIN_VERSION_TEMPLATE} ${version_source} @ONLY)
  add_library(${name} MODULE ${ARGN} ${version_source})
  target_link_libraries(${name} PRIVATE fedloom::headers)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" CXX_EXTENSIONS OFF)
endfunction()
