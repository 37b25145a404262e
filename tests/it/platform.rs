//! Tests of the room `platform` from outside.
