"""Generated from protos/ by `make protos`: do not edit. Nothing outside the library sees these types."""
