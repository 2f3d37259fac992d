// warm.js - a Node program kept warm that does what a test asks for: {"do": …}.
'use strict'
const jobmill = require('../../clients/node/jobmill.js')

const does = {
  pid: () => process.pid,
  text: (job) => job.input.text,
  nothing: () => undefined,
  noise: () => { console.log('noise of node'); return 'quiet' },
  fail: () => { throw new jobmill.JobError('too hot', { code: 'too_hot', permanent: true }) },
  throws: () => { throw new Error('oh') },
  big: () => 10n,
  code: () => () => 1,
  nested: () => {
    let all = []
    for (let i = 0; i < 1000000; i++) all = [all]
    return all
  },
  lone: () => ['a\ud800b'],
  zero: () => ({ a: '\\\0' }),
  bad_words: (job) => {
    job.progress(0.5, 'a\udcff\0b')
    throw new jobmill.JobError('no file a\udcff\0b', { permanent: true })
  },
  escaped: () => '\\ud800 \\u0000',
  crash: () => process.kill(process.pid, 'SIGKILL'),
  polite: (job) => new Promise((resolve, reject) => {
    job.progress(0.5, process.pid)
    const timer = setTimeout(resolve, 600000)
    job.signal.addEventListener('abort', () => {
      clearTimeout(timer)
      console.log('cleaned up in node')
      reject(new Error('aborted'))
    })
  })
}

jobmill.serve(async (job) => does[job.input.do](job))
