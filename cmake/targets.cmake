# How this project's libraries, programs and tests are declared, with the same warnings for all.

add_library(sluice_options INTERFACE)
target_compile_options(sluice_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Werror -fno-omit-frame-pointer
  # Of clang, which builds the fuzzers, -Wconversion means this too.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>
  # At -O2 GCC 12 takes the unused half of a moved std::expected for an uninitialised read.
  $<$<CONFIG:Release>:-Wno-maybe-uninitialized>)
target_include_directories(sluice_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_link_libraries(sluice_options INTERFACE Threads::Threads fmt::fmt)
if(SLUICE_SANITIZE)
  # Applies to generated code too, so it is not one of sluice_options.
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
  if(SLUICE_SANITIZE STREQUAL "thread")
    # Our fences order memory that two processes share, of which this sanitizer sees one. And with
    # the macro protobuf's headers lay out messages in another way than Debian's library.
    add_compile_options(-Wno-tsan -U__SANITIZE_THREAD__)
  endif()
else()
  target_compile_options(sluice_options INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
  target_link_options(sluice_options INTERFACE -Wl,-z,relro -Wl,-z,now)
endif()

# sluice_library(NAME SOURCES… [DEPENDS …]): a static library of ours.
function(sluice_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC sluice_options ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
endfunction()

# sluice_program(NAME SOURCES… [DEPENDS …]): an executable of ours; all of them land in build/<preset>/bin.
function(sluice_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sluice_options ${ARG_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# sluice_test(NAME SOURCES… [DEPENDS …]): a GoogleTest program, its tests registered one by one.
function(sluice_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sluice_options ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120)
endfunction()
