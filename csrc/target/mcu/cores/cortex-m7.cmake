# Cortex-M7 with floating point of single precision, which is all a detector uses, by Debian's gcc-arm-none-eabi.
set(TSAD_CORE cortex-m7)
set(TSAD_START start_cortexm.c)
set(TSAD_OVERLAY cortexm_dsp)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # a test program would want a C library
