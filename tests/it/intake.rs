//! Tests of the room `intake` from outside.
