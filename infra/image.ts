import { join } from 'node:path'
import { IgnoreMode } from 'aws-cdk-lib'
import * as ecrAssets from 'aws-cdk-lib/aws-ecr-assets'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as lambda from 'aws-cdk-lib/aws-lambda'
import type { Construct } from 'constructs'

const asset = {
  directory: join(import.meta.dirname, '..'),
  // What `.dockerignore` lets in, and the Dockerfile, is what makes a new image.
  ignoreMode: IgnoreMode.DOCKER,
  platform: ecrAssets.Platform.LINUX_AMD64,
}

/** The repository's one image, for tasks. */
export function taskImage(scope: Construct): ecs.ContainerImage {
  return ecs.ContainerImage.fromDockerImageAsset(new ecrAssets.DockerImageAsset(scope, 'Image', asset))
}

/** The same image as a function: the runtime loop with the handler of one event source. */
export function functionImage(handler: string): lambda.DockerImageCode {
  const { directory, ...props } = asset
  return lambda.DockerImageCode.fromImageAsset(directory, {
    ...props,
    entrypoint: ['node', '--disable-warning=ExperimentalWarning', 'src/lambda/runtime.ts'],
    cmd: [handler],
    workingDirectory: '/app',
  })
}
