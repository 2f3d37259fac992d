#!/usr/bin/env node
// submit.js - submits a job and waits for its result, with Node's own fetch (Node 18 or later).
//
//     node submit.js [TASK [INPUT]]          node submit.js primes '{"limit":1000}'
//
// JOBMILL_SERVER is where the service is, JOBMILL_TOKEN its token, if it wants one.
const { randomUUID } = require('node:crypto')
const { setTimeout: sleep } = require('node:timers/promises')

const SERVER = (process.env.JOBMILL_SERVER ?? 'http://127.0.0.1:8080').replace(/\/$/, '')
const ENDED = ['succeeded', 'failed', 'cancelled', 'expired']
const TRIES = 6

// GET, or with a body POST. Asks again where no answer, or 5xx, leaves it open whether the request was carried out, and
// where 429 says that it came too soon.
async function ask (path, body, headers = {}) {
  if (process.env.JOBMILL_TOKEN) headers.authorization = 'Bearer ' + process.env.JOBMILL_TOKEN
  for (let tried = 1; ; tried++) {
    let pause = 0.25 * 2 ** tried
    try {
      const answer = await fetch(SERVER + path, { method: body ? 'POST' : 'GET', body, headers, signal: AbortSignal.timeout(60000) })
      const bytes = Buffer.from(await answer.arrayBuffer())
      if (answer.ok) return bytes
      if (tried === TRIES || (answer.status < 500 && answer.status !== 429)) throw Object.assign(new Error(bytes.toString()), { final: true })
      pause = Number(answer.headers.get('retry-after') ?? pause)
    } catch (error) { // not reached, or cut off
      if (error.final || tried === TRIES) throw error
    }
    await sleep(pause * 1000)
  }
}

// The job's result: a JSON value, or a Buffer where it is of another type.
async function run (task, input) {
  // one key for all tries: however often it is asked, there is one job
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() }
  let job = JSON.parse(await ask('/v1/jobs?wait=20', JSON.stringify({ task, input }), headers))
  while (!ENDED.includes(job.state)) job = JSON.parse(await ask(`/v1/jobs/${job.id}?wait=20`))
  if (job.state !== 'succeeded') throw new Error(`${job.state}: ${JSON.stringify(job.error)}`)
  if ('result' in job) return job.result
  const bytes = await ask(`/v1/jobs/${job.id}/result`) // large, or not JSON
  return job.result_type === 'application/json' ? JSON.parse(bytes) : bytes
}

module.exports = { ask, run }

if (require.main === module) {
  run(process.argv[2] ?? 'primes', JSON.parse(process.argv[3] ?? '{"limit":1000}')).then(
    (result) => process.stdout.write(Buffer.isBuffer(result) ? result : JSON.stringify(result) + '\n'),
    (error) => { console.error(error.message); process.exitCode = 1 })
}
