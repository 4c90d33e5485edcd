# How CMake builds libaom (crate libaom-sys) for us. `.cargo/config.toml` points to this file; opus is built with it too, and
# needs none of it. Without it everything works, but the build takes twice as long, and debug builds encode ten times slower.

# The crate asks for an unoptimised library in debug builds. Pictures are encoded in those as well.
set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)

# Of libaom we use the real-time encoder for pictures of 8 bits.
set(CONFIG_REALTIME_ONLY 1 CACHE STRING "")
set(CONFIG_AV1_HIGHBITDEPTH 0 CACHE STRING "")
set(CONFIG_DENOISE 0 CACHE STRING "")
set(CONFIG_WEBM_IO 0 CACHE STRING "")

# Larger pictures are refused before libaom sees them (`codecs`); this is the second lock.
set(CONFIG_SIZE_LIMIT 1 CACHE STRING "")
set(DECODE_WIDTH_LIMIT 4096 CACHE STRING "")
set(DECODE_HEIGHT_LIMIT 4096 CACHE STRING "")
