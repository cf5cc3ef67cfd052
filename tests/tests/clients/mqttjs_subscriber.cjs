// A subscriber on MQTT.js: host port level filter..., one line per message: topic, a space, the payload.
const mqtt = require('mqtt')

const [host, port, level, ...filters] = process.argv.slice(2)
const client = mqtt.connect(`mqtt://${host}:${port}`, { protocolVersion: Number(level), reconnectPeriod: 0 })
client.on('message', (topic, payload) => console.log(`${topic} ${payload}`))
client.on('connect', () => client.subscribe(filters, { qos: 1 }))
client.on('error', (error) => { console.error(error); process.exit(1) })
