import type { Attack } from './attack.ts'
import { drawingReferences, drawings } from './drawings.ts'
import { filmReferences, films } from './films.ts'
import { pictures } from './pictures.ts'
import { playlists } from './playlists.ts'

/** Every hostile file there is, each built anew by its own few lines. */
export const attacks: readonly Attack[] = [...playlists, ...films, ...pictures, ...drawings]

/** Those that lead elsewhere, which a sandbox without walls must withstand too. */
export const wandering: readonly Attack[] = [...playlists, ...filmReferences, ...drawingReferences]
