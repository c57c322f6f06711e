"""Pictures of finished assets: turntables, LOD switches, UVs, errors, before and after."""
