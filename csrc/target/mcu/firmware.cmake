# Firmware for the board TSAD_BOARD: <name>.elf for every model of TSAD_MODELS, or for the reference model. No C library
# is linked: memory.c and what the compiler brings are all.
set(TSAD_MCU ${CMAKE_CURRENT_SOURCE_DIR}/csrc/target/mcu)
file(READ ${TSAD_MCU}/boards.json TSAD_BOARDS)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${TSAD_MCU}/boards.json)
string(JSON board_core ERROR_VARIABLE unknown GET "${TSAD_BOARDS}" ${TSAD_BOARD} core)
if(unknown)
    message(FATAL_ERROR "TSAD_BOARD is ${TSAD_BOARD}, which boards.json does not have")
elseif(NOT board_core STREQUAL TSAD_CORE)
    message(FATAL_ERROR "${TSAD_BOARD} has a ${board_core}, the toolchain file is for '${TSAD_CORE}'")
endif()
string(JSON board_source GET "${TSAD_BOARDS}" ${TSAD_BOARD} source)
string(JSON FLASH_ORIGIN GET "${TSAD_BOARDS}" ${TSAD_BOARD} flash 0)
string(JSON FLASH_SIZE GET "${TSAD_BOARDS}" ${TSAD_BOARD} flash 1)
string(JSON RAM_ORIGIN GET "${TSAD_BOARDS}" ${TSAD_BOARD} ram 0)
string(JSON RAM_SIZE GET "${TSAD_BOARDS}" ${TSAD_BOARD} ram 1)
string(JSON STACK_SIZE GET "${TSAD_BOARDS}" ${TSAD_BOARD} stack)
configure_file(${TSAD_MCU}/link.ld.in link.ld @ONLY)

# -fcallgraph-info=su: who calls whom and how much stack each takes, from which the worst case is reckoned. It lies
# beside each object, where no cache of compilations puts it back.
set(CMAKE_C_COMPILER_LAUNCHER "")
target_include_directories(tsad_flags INTERFACE csrc/target/mcu/freestanding)
target_compile_options(tsad_flags INTERFACE -ffreestanding -fcallgraph-info=su)
target_link_options(tsad_flags INTERFACE -nostdlib -T ${CMAKE_CURRENT_BINARY_DIR}/link.ld)

add_library(tsad_board OBJECT ${TSAD_MCU}/boards/${board_source} ${TSAD_MCU}/${TSAD_START} ${TSAD_MCU}/frame.c
                              ${TSAD_MCU}/session.c ${TSAD_MCU}/memory.c)
target_link_libraries(tsad_board PRIVATE tsad_flags)
target_include_directories(tsad_board PRIVATE ${TSAD_MCU})
set_source_files_properties(${TSAD_MCU}/memory.c PROPERTIES COMPILE_OPTIONS -fno-tree-loop-distribute-patterns)

# The objects are a target of their own, so that what is too large is seen before it is linked.
function(tsad_add_firmware name directory)
    string(TOUPPER ${name} upper)
    add_library(${name}_objects OBJECT ${directory}/${name}.c ${TSAD_MCU}/main.c)
    target_link_libraries(${name}_objects PRIVATE tsad_flags)
    target_include_directories(${name}_objects PRIVATE ${directory} ${TSAD_MCU})
    target_compile_definitions(${name}_objects PRIVATE TSAD_MODEL=${name} TSAD_MODEL_UPPER=${upper}
                                                       "TSAD_MODEL_HEADER=\"${name}.h\"")
    add_executable(${name} $<TARGET_OBJECTS:${name}_objects> $<TARGET_OBJECTS:tsad_board>
                           $<TARGET_OBJECTS:tsad_kernels> $<TARGET_OBJECTS:tsad_detector>)
    target_link_libraries(${name} PRIVATE tsad_flags gcc)
    set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/link.ld
                                             LINKER_LANGUAGE C)
endfunction()
