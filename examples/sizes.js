// A task that is kept warm, in Node: {"text": "…"} gives its sizes. See commands.ini.
'use strict'
const jobmill = require('../clients/node/jobmill.js')

jobmill.serve((job) => {
  const text = job.input && job.input.text
  if (typeof text !== 'string') {
    throw new jobmill.JobError('there is no text', { code: 'no_text', permanent: true })
  }
  return { characters: [...text].length, bytes: Buffer.byteLength(text) }
})
