export { default } from './examples/backoffice/daybook.config.ts'
