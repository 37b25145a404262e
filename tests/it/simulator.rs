//! Tests of the room `simulator` from outside.
