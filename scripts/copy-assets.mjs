// tsc emits only JavaScript: the SQL and the dashboard's stylesheet and scripts go along as they are.
import { cp } from 'node:fs/promises'

const isAsset = (path) => !/\.tsx?$/.test(path)
await cp('src', 'dist', { recursive: true, filter: isAsset })
