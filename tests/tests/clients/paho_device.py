"""A device on paho-mqtt: host port level device birth-file."""
import sys
import threading

import paho.mqtt.client as mqtt

host, port, level, device, birth = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
base = f"halo/v1/d/{device}"


def connected():
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device, protocol=level)
    client.will_set(f"{base}/state", "offline", qos=1, retain=True)
    up = threading.Event()
    client.on_connect = lambda c, u, flags, reason, properties: None if reason.is_failure else up.set()
    client.connect(host, port, keepalive=30)
    client.loop_start()
    assert up.wait(20), "not connected"
    return client


def publish(client, topic, payload, retain=False):
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(20)


def readings(client, numbers):
    for n in numbers:
        publish(client, f"{base}/t", f'{{"time":{1700000000 + n},"hr":{60 + n}}}')


first = connected()
publish(first, f"{base}/birth", open(birth, "rb").read(), retain=True)
readings(first, range(3))
first.disconnect()
first.loop_stop()
readings(connected(), range(3, 5))
print("acknowledged", flush=True)
threading.Event().wait()
