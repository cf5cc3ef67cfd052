//! 0. The MQTT front.
