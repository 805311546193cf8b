# Compiling for another Debian architecture with Debian's cross compilers against a sysroot of its packages
# (cmake/sysroot.sh), and running what comes out under qemu. The preset says which: FEDLOOM_ARCH is Debian's name.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FEDLOOM_ARCH)
if(FEDLOOM_ARCH STREQUAL "arm64")
  set(CMAKE_SYSTEM_PROCESSOR aarch64)
  set(triplet aarch64-linux-gnu)
  set(emulator qemu-aarch64)
elseif(FEDLOOM_ARCH STREQUAL "armhf")
  set(CMAKE_SYSTEM_PROCESSOR armv7l)
  set(triplet arm-linux-gnueabihf)
  set(emulator qemu-arm)
  # NEON is not in the base of Debian's armhf, but in all of its processors but the oldest (ARMv7 without is a few
  # boards of 2010). Times and limits of files have 64 bits. GCC's note that it once passed arguments otherwise says
  # nothing here: all of the program comes from one compiler.
  add_compile_options(-march=armv7-a -mfpu=neon -Wno-psabi)
  add_compile_definitions(_FILE_OFFSET_BITS=64 _TIME_BITS=64)
else()
  message(FATAL_ERROR "FEDLOOM_ARCH: '${FEDLOOM_ARCH}' is none of arm64, armhf")
endif()

get_filename_component(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../../build/sysroot-${FEDLOOM_ARCH} ABSOLUTE)
set(CMAKE_CXX_COMPILER ${triplet}-g++)
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})
set(CMAKE_CROSSCOMPILING_EMULATOR ${emulator} -L ${CMAKE_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/${triplet}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")
