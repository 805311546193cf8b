# make install: the program, the headers, and what find_package(fedloom) needs to build plug-ins.
install(TARGETS fedloom RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
