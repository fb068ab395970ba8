"""The frame of all screens: navigation, process lifespan, shutdown."""
