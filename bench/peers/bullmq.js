// bullmq.js - BullMQ on Redis, whose port is REDIS, with WORKERS processes of 16 jobs in flight each, on the queue QUEUE.
//   serve  a minimal HTTP front, as a user would glue it: POST /jobs answers when the job is in Redis, POST /jobs?wait=1 when it has ended
//   drive  no HTTP: keeps 64 jobs in flight for SECONDS, each brought by BODY; without workers to where they are in Redis,
//          else to their end. Prints one line of JSON: jobs a second
const { fork } = require('node:child_process')
const http = require('node:http')
const { Queue, QueueEvents, Worker } = require('bullmq')

const connection = { host: '127.0.0.1', port: Number(process.env.REDIS), maxRetriesPerRequest: null }
const name = process.env.QUEUE
const workers = Number(process.env.WORKERS)

function work() {
  new Worker(name, async () => null, { connection, concurrency: 16 })
}

// What adds a job and, when it is to wait, awaits its end.
async function open() {
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: 1000 } })
  const events = new QueueEvents(name, { connection })
  events.setMaxListeners(0)
  await events.waitUntilReady()
  for (let i = 0; i < workers; i++) {
    const child = fork(__filename, ['work'])
    process.on('exit', () => child.kill('SIGKILL'))
  }
  process.on('SIGTERM', () => process.exit(0))
  return async ({ task, input }, wait) => {
    const job = await queue.add(task, input)
    return { id: job.id, task, result: wait ? await job.waitUntilFinished(events) : undefined }
  }
}

async function body(request) {
  let text = ''
  for await (const chunk of request) text += chunk
  return JSON.parse(text)
}

async function serve() {
  const add = await open()
  const server = http.createServer(async (request, response) => {
    try {
      const wait = request.url.endsWith('wait=1')
      const job = await add(await body(request), wait)
      response.writeHead(wait ? 200 : 202, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ ...job, state: wait ? 'succeeded' : 'queued' }))
    } catch (error) {
      response.writeHead(500)
      response.end(String(error))
    }
  })
  server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
}

async function drive() {
  const add = await open()
  const job = JSON.parse(process.env.BODY)
  const during = async (ms) => {
    const begin = performance.now()
    let done = 0
    const lane = async () => {
      for (; performance.now() - begin < ms; done++) await add(job, workers > 0)
    }
    await Promise.all(Array.from({ length: 64 }, lane))
    return (done / (performance.now() - begin)) * 1000
  }
  await during(1000) // warm
  console.log(JSON.stringify({ rate: await during(Number(process.env.SECONDS) * 1000) }))
  process.exit(0)
}

const roles = { work, serve, drive }
roles[process.argv[2]]()
