"""The whole way in about ten minutes: pictures in, a private model out, photographs parsed."""
