"""What every screen shares: navigation, process lifespan, shutdown."""
