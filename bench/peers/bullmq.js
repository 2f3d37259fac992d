// bullmq.js - BullMQ behind a minimal HTTP front, as a user would glue it: POST /jobs answers when the job is in Redis,
// POST /jobs?wait=1 when it has ended. WORKERS processes with 16 jobs in flight each. REDIS is Redis's port.
const { fork } = require('node:child_process')
const http = require('node:http')
const { Queue, QueueEvents, Worker } = require('bullmq')

const connection = { host: '127.0.0.1', port: Number(process.env.REDIS), maxRetriesPerRequest: null }

function work() {
  new Worker('jobs', async () => null, { connection, concurrency: 16 })
}

async function body(request) {
  let text = ''
  for await (const chunk of request) text += chunk
  return JSON.parse(text)
}

async function serve() {
  const queue = new Queue('jobs', { connection, defaultJobOptions: { removeOnComplete: 1000 } })
  const events = new QueueEvents('jobs', { connection })
  events.setMaxListeners(0)
  await events.waitUntilReady()
  for (let i = 0; i < Number(process.env.WORKERS); i++) {
    const child = fork(__filename, ['work'])
    process.on('exit', () => child.kill('SIGKILL'))
  }
  process.on('SIGTERM', () => process.exit(0))
  const server = http.createServer(async (request, response) => {
    try {
      const { task, input } = await body(request)
      const job = await queue.add(task, input)
      const wait = request.url.endsWith('wait=1')
      const result = wait ? await job.waitUntilFinished(events) : undefined
      response.writeHead(wait ? 200 : 202, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ id: job.id, task, state: wait ? 'succeeded' : 'queued', result }))
    } catch (error) {
      response.writeHead(500)
      response.end(String(error))
    }
  })
  server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
}

if (process.argv[2] === 'work') work()
else serve()
