/* A device and a subscriber on Eclipse Paho C, the synchronous client.
   device:     host port level device birth-file
   subscriber: host port level filter..., one line per message: topic, a space, the payload
   The role is the first argument. */
#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int level;
static char uri[128];

static void must(int code, const char *what) {
  if (code != MQTTCLIENT_SUCCESS) {
    fprintf(stderr, "%s: %d\n", what, code);
    exit(1);
  }
}

static MQTTClient connected(const char *id, const char *state) {
  MQTTClient client;
  MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
  create.MQTTVersion = level == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  must(MQTTClient_createWithOptions(&client, uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create), "create");
  MQTTClient_connectOptions v4 = MQTTClient_connectOptions_initializer;
  MQTTClient_connectOptions v5 = MQTTClient_connectOptions_initializer5;
  MQTTClient_connectOptions options = level == 5 ? v5 : v4;
  MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
  options.MQTTVersion = create.MQTTVersion;
  if (state != NULL) {
    will.topicName = state;
    will.message = "offline";
    will.qos = 1;
    will.retained = 1;
    options.will = &will;
  }
  if (level == 5) {
    MQTTResponse answer = MQTTClient_connect5(client, &options, NULL, NULL);
    must(answer.reasonCode, "connect");
    MQTTResponse_free(answer);
  } else {
    must(MQTTClient_connect(client, &options), "connect");
  }
  return client;
}

static void publish(MQTTClient client, const char *topic, const void *payload, int length, int retained) {
  MQTTClient_deliveryToken token;
  if (level == 5) {
    MQTTResponse answer = MQTTClient_publish5(client, topic, length, payload, 1, retained, NULL, &token);
    must(answer.reasonCode, "publish");
    MQTTResponse_free(answer);
  } else {
    must(MQTTClient_publish(client, topic, length, payload, 1, retained, &token), "publish");
  }
  must(MQTTClient_waitForCompletion(client, token, 20000), "acknowledgement");
}

static void readings(MQTTClient client, const char *topic, int from, int until) {
  for (int n = from; n < until; n++) {
    char payload[64];
    int length = snprintf(payload, sizeof payload, "{\"time\":%d,\"hr\":%d}", 1700000000 + n, 60 + n);
    publish(client, topic, payload, length, 0);
  }
}

static int device(char **argv) {
  char birth_topic[128], state[128], telemetry[128], birth[4096];
  snprintf(birth_topic, sizeof birth_topic, "halo/v1/d/%s/birth", argv[0]);
  snprintf(state, sizeof state, "halo/v1/d/%s/state", argv[0]);
  snprintf(telemetry, sizeof telemetry, "halo/v1/d/%s/t", argv[0]);
  FILE *file = fopen(argv[1], "rb");
  if (file == NULL) {
    perror(argv[1]);
    return 1;
  }
  int length = (int)fread(birth, 1, sizeof birth, file);
  fclose(file);
  MQTTClient first = connected(argv[0], state);
  publish(first, birth_topic, birth, length, 1);
  readings(first, telemetry, 0, 3);
  must(level == 5 ? MQTTClient_disconnect5(first, 5000, MQTTREASONCODE_SUCCESS, NULL) : MQTTClient_disconnect(first, 5000),
       "disconnect");
  readings(connected(argv[0], state), telemetry, 3, 5);
  puts("acknowledged");
  fflush(stdout);
  pause();
  return 0;
}

static void subscriber(int filters, char **argv) {
  MQTTClient client = connected("paho-c-subscriber", NULL);
  for (int at = 0; at < filters; at++) {
    if (level == 5) {
      MQTTResponse answer = MQTTClient_subscribe5(client, argv[at], 1, NULL, NULL);
      must(answer.reasonCode > 1, "subscribe");
      MQTTResponse_free(answer);
    } else {
      must(MQTTClient_subscribe(client, argv[at], 1), "subscribe");
    }
  }
  for (;;) {
    char *topic = NULL;
    int topic_length;
    MQTTClient_message *message = NULL;
    int code = MQTTClient_receive(client, &topic, &topic_length, &message, 1000);
    if (message != NULL) {
      printf("%s %.*s\n", topic, message->payloadlen, (char *)message->payload);
      fflush(stdout);
      MQTTClient_freeMessage(&message);
      MQTTClient_free(topic);
    } else {
      must(code, "receive");
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 6) {
    return 2;
  }
  level = atoi(argv[4]);
  snprintf(uri, sizeof uri, "tcp://%s:%s", argv[2], argv[3]);
  if (strcmp(argv[1], "device") == 0) {
    return device(argv + 5);
  }
  subscriber(argc - 5, argv + 5);
}
