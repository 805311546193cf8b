# fedloom-client: the folders below `edge` and no others. Where the client is all that is built, code that it does
# not reach is dropped. The C++ runtime stays a library of the system: libzmq loads it anyhow.
add_executable(fedloom_device edge/main/main.cpp edge/main/memory_limit.cpp)
set_target_properties(fedloom_device PROPERTIES OUTPUT_NAME fedloom-client)
target_link_libraries(fedloom_device PRIVATE fedloom_edge_all fedloom_warnings)
if(FEDLOOM_CLIENT_ONLY)
  target_compile_options(fedloom_options INTERFACE -ffunction-sections -fdata-sections)
  target_link_options(fedloom_device PRIVATE -Wl,--gc-sections -Wl,--as-needed -s)
endif()
# In both, and packaged of the small one alone (debian.cmake).
install(TARGETS fedloom_device RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT client)
