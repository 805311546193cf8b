# make install: the program, the headers that a plug-in includes, and what find_package(fedloom) needs to
# build one. The folders keep their names below include/fedloom, so that "core/layout.hpp" is found there.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fedloom)
set(header_dir ${CMAKE_INSTALL_INCLUDEDIR}/fedloom)

# What compiling against fedloom takes. The floating-point options are the program's own (targets.cmake):
# a plug-in must round as the rest does.
add_library(fedloom_headers INTERFACE)
add_library(fedloom::headers ALIAS fedloom_headers)
set_target_properties(fedloom_headers PROPERTIES EXPORT_NAME headers)
target_compile_features(fedloom_headers INTERFACE cxx_std_20)
target_compile_options(fedloom_headers INTERFACE -fno-math-errno -fno-trapping-math)
target_include_directories(fedloom_headers INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>
  $<INSTALL_INTERFACE:${header_dir}>)
target_link_libraries(fedloom_headers INTERFACE fmt::fmt $<BUILD_INTERFACE:fedloom_options>)

include(plugin)

install(TARGETS fedloom fedloom_headers EXPORT fedloomTargets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT server)
install(EXPORT fedloomTargets NAMESPACE fedloom:: DESTINATION ${package_dir} COMPONENT dev)
foreach(folder core models datasets algorithms)
  install(DIRECTORY ${folder} DESTINATION ${header_dir} COMPONENT dev FILES_MATCHING PATTERN "*.hpp")
endforeach()
install(FILES server/pacer.hpp DESTINATION ${header_dir}/server COMPONENT dev)
install(FILES ${PROJECT_BINARY_DIR}/generated/core/version.hpp DESTINATION ${header_dir}/core COMPONENT dev)

configure_package_config_file(cmake/fedloomConfig.cmake.in ${PROJECT_BINARY_DIR}/fedloomConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Below 1.0 every version may change the interfaces, so a plug-in asks for the one it was written for.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fedloomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fedloomConfig.cmake ${PROJECT_BINARY_DIR}/fedloomConfigVersion.cmake
        cmake/plugin.cmake cmake/plugin_version.cpp.in DESTINATION ${package_dir} COMPONENT dev)
install(DIRECTORY experiments/smoke DESTINATION ${CMAKE_INSTALL_DATADIR}/fedloom/experiments COMPONENT server)
install(FILES experiments/quickstart.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/fedloom/experiments COMPONENT server)
