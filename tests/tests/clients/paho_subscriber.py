"""A subscriber on paho-mqtt: host port level filter..., one line per message: topic, a space, the payload."""
import sys

import paho.mqtt.client as mqtt

host, port, level, filters = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="", protocol=level)
client.on_connect = lambda c, u, flags, reason, properties: client.subscribe([(f, 1) for f in filters])
client.on_message = lambda c, u, message: print(message.topic, message.payload.decode(), flush=True)
client.connect(host, port, keepalive=30)
client.loop_forever()
