// Stands for what the application has already: who is signed in, and who may read the log.
export { authorize, signedIn } from '../../../../examples/quickstart/sessions.ts'
