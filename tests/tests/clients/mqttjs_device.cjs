// A device on MQTT.js: host port level device birth-file.
const fs = require('fs')
const mqtt = require('mqtt')

const [host, port, level, device, birth] = process.argv.slice(2)
const base = `halo/v1/d/${device}`
const will = { topic: `${base}/state`, payload: Buffer.from('offline'), qos: 1, retain: true }
const options = { clientId: device, protocolVersion: Number(level), reconnectPeriod: 0, will }
const connect = () => mqtt.connectAsync(`mqtt://${host}:${port}`, options)

async function readings (client, numbers) {
  for (const n of numbers) {
    await client.publishAsync(`${base}/t`, JSON.stringify({ time: 1700000000 + n, hr: 60 + n }), { qos: 1 })
  }
}

async function main () {
  const first = await connect()
  await first.publishAsync(`${base}/birth`, fs.readFileSync(birth), { qos: 1, retain: true })
  await readings(first, [0, 1, 2])
  await first.endAsync()
  await readings(await connect(), [3, 4])
  console.log('acknowledged')
}

main().catch((error) => { console.error(error); process.exit(1) })
