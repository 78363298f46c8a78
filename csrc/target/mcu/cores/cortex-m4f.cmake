# Cortex-M4 with its floating-point unit, by Debian's gcc-arm-none-eabi.
set(TSAD_CORE cortex-m4f)
set(TSAD_START start_cortexm.c)
set(TSAD_OVERLAY cortexm_dsp)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # a test program would want a C library
