/*
 * jobmill.js - a task of jobmill in Node, kept warm between jobs. Nothing but Node's own modules.
 *
 *     const jobmill = require('./jobmill.js')
 *     jobmill.serve(async (job) => ({ hello: job.input.name }))
 *
 * and in the configuration:
 *
 *     [task greet]
 *     command = /usr/bin/node /srv/greet.js
 *     persistent = true
 *
 * The function is called for each job, one at a time; what it returns (or its promise gives) is the
 * job's result, as JSON. See README.md beside this file, and docs/tasks.md for the protocol.
 *
 * SPDX-License-Identifier: MIT
 */
'use strict'

const fs = require('fs')
const net = require('net')
const { StringDecoder } = require('string_decoder')

const JOB_FD = 3
const ANSWER_FD = 4

/** Fails the job's attempt: options.code (a-z, 0-9, _), options.permanent (it is not tried again). */
class JobError extends Error {
  constructor(message, options = {}) {
    super(message)
    this.code = options.code || 'task_error'
    this.permanent = Boolean(options.permanent)
  }
}

/** A result that is a file in the working directory; type: its content type. */
class JobFile {
  constructor(name, type) {
    this.name = name
    this.type = type
  }
}

/** What a human is told, whatever its characters: jobmill takes no text with \0 or a lone surrogate. */
function words(text) {
  return String(text).replace(/\0|\p{Surrogate}/gu, '\ufffd')
}

function toJson(message) {
  const text = JSON.stringify(message)
  // of other characters stringify() escapes none by \ud8… to \udf…, and writes a backslash as two
  if (/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/.test(text)) throw new TypeError('a character \\0 or a lone surrogate')
  return text
}

function send(message) {
  let line = Buffer.from(toJson(message) + '\n')
  while (line.length > 0) {
    try {
      line = line.subarray(fs.writeSync(ANSWER_FD, line))
    } catch (e) {
      if (e.code !== 'EAGAIN') throw e
    }
  }
}

/** One job: id, task, attempt, input (from JSON), or inputFile and inputType for other bytes. */
class Job {
  constructor(given, signal) {
    this.id = given.id
    this.task = given.task
    this.attempt = given.attempt
    this.traceparent = given.traceparent // of the submission (W3C Trace Context), or undefined
    this.checkpoint = given.checkpoint // what an attempt before this one left, or undefined
    this.input = given.input
    this.inputFile = given.input_file
    this.inputType = given.input_type || 'application/json'
    this.signal = signal // an AbortSignal: the job was cancelled or is out of time
  }

  /** Tells those who poll: a fraction of 0..1 and a short text; either may be left out. */
  progress(fraction, message) {
    const told = {}
    if (typeof fraction === 'number') told.fraction = fraction
    if (message !== undefined) told.message = words(message)
    send({ progress: told })
  }

  /** Leaves a small JSON value (64 KiB) for the job's next attempt, should there be one; the last one stands. */
  leave(checkpoint) {
    send({ checkpoint })
  }

  bytes() {
    return fs.readFileSync(this.inputFile)
  }
}

function notJson(why) {
  return new JobError('the result cannot be written as JSON: ' + why, { code: 'bad_result', permanent: true })
}

function errorOf(e) {
  if (e instanceof JobError) return { code: e.code, message: words(e.message), permanent: e.permanent }
  console.error(e)
  return { code: 'task_error', message: words(e), permanent: false }
}

async function answerOf(run, job) {
  try {
    const value = await run(job)
    if (value instanceof JobFile) return { result_file: value.name, type: value.type }
    if (typeof value === 'function' || typeof value === 'symbol') throw notJson('it is a ' + typeof value)
    return { result: value === undefined ? null : value }
  } catch (e) {
    return { error: errorOf(e) }
  }
}

async function runJob(run, given, signal) {
  const job = new Job(given, signal)
  const answer = await answerOf(run, job)
  try {
    send({ ...answer, id: job.id })
  } catch (e) {
    if (!(e instanceof TypeError || e instanceof RangeError)) throw e // a cycle, a BigInt, too deep: nothing was sent
    send({ error: errorOf(notJson(e.message)), id: job.id })
  }
}

/** The lines of a stream, which end with \n alone: readline ends one at U+2028 and U+2029, too, which JSON may hold. */
async function * linesOf(stream) {
  const decoder = new StringDecoder('utf8')
  let line = ''
  for await (const bytes of stream) {
    const parts = decoder.write(bytes).split('\n')
    parts[0] = line + parts[0]
    line = parts.pop()
    yield * parts
  }
}

/** What jobs come by: a pipe, which the event loop watches itself; a file's stream would have another thread read it. */
function jobStream() {
  try {
    return new net.Socket({ fd: JOB_FD, readable: true, writable: false })
  } catch {
    return fs.createReadStream(null, { fd: JOB_FD })
  }
}

/** Runs the function for each job until there are no more. options.ready: awaited before the first. */
async function serve(run, options = {}) {
  let current = null
  process.on('SIGTERM', () => {
    if (!current) process.exit(0)
    current.abort()
  })
  try {
    fs.fstatSync(JOB_FD)
    fs.fstatSync(ANSWER_FD)
  } catch {
    console.error('jobmill.js: this program is started by jobmill, with persistent = true')
    process.exit(1)
  }
  if (options.ready) await options.ready()
  send({ ready: true })
  for await (const line of linesOf(jobStream())) {
    current = new AbortController()
    await runJob(run, JSON.parse(line).job, current.signal)
    if (current.signal.aborted) process.exit(0)
    current = null
  }
  process.exit(0)
}

module.exports = { serve, Job, JobError, JobFile }
