# 32-bit RISC-V with floating point of single precision, by Debian's gcc-riscv64-unknown-elf.
set(TSAD_CORE rv32imafc)
set(TSAD_START start_riscv.c)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv32)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_C_FLAGS_INIT "-march=rv32imafc -mabi=ilp32f -mcmodel=medany")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # a test program would want a C library
